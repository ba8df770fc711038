import { randomFillSync } from 'node:crypto';
import { v7 } from 'uuid';

// Random bytes are drawn 1,024 ids at a time: asking the system for each id costs more than the rest of it.
const bytesPerId = 16;
const pool = new Uint8Array(bytesPerId * 1024);
let used = pool.length;

function nextRandom(): Uint8Array {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += bytesPerId;
  return pool.subarray(used - bytesPerId, used);
}

let lastMs = 0;
let sequence = 0;

/**
 * A new id for a message or a transaction: UUIDv7 (RFC 9562 §5.7), so that new rows land at the end of the primary key.
 * Ids of one process ascend, also within a millisecond.
 */
export function newId(): string {
  const random = nextRandom();
  const now = Date.now();
  if (now > lastMs) {
    lastMs = now;
    // 31 random bits leave as many steps within the millisecond.
    sequence = ((random[0]! & 0x7f) << 24) | (random[1]! << 16) | (random[2]! << 8) | random[3]!;
  } else {
    sequence += 1;
  }
  return v7({ random, msecs: lastMs, seq: sequence });
}

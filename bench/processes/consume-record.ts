import { Histogram } from '../histogram.js';
import type { Counts, Recorded } from '../measure.js';
import type { BenchBody } from './message-shape.js';
import { preciseNow, serveCalls, type Calls } from './serve-calls.js';

/** Receipts whose time is kept one by one, at most. */
const receiptsMax = 500_000;

/** What a consumer counts, and how its parent asks for it. */
export class ConsumeRecord {
  #delivered = 0;
  #duplicates = 0;
  #recording = false;
  readonly #endToEndMs = new Histogram();
  /** By group: a bit for each number that was received. */
  readonly #seen = new Map<string, Uint8Array>();
  readonly #receipts: [number: number, at: number][] | undefined;

  /** @param keepReceipts when each message came, in the window or not, for `receipts` */
  constructor(keepReceipts = false) {
    if (keepReceipts) this.#receipts = [];
  }

  /** A message was received. One that comes again is counted apart. */
  received({ t, n }: BenchBody, group = ''): void {
    if (this.#isSeen(n, group)) {
      this.#duplicates += 1;
      return;
    }
    this.#delivered += 1;
    if (!this.#recording && !this.#receipts) return;
    const now = preciseNow();
    // Messages that were put into the database directly have no time.
    if (this.#recording && t > 0) this.#endToEndMs.add(now - t);
    if (this.#receipts && this.#receipts.length < receiptsMax) this.#receipts.push([n, now]);
  }

  counts(): Counts {
    return { delivered: this.#delivered, duplicates: this.#duplicates };
  }

  begin(): Counts {
    this.#recording = true;
    this.#endToEndMs.clear();
    return this.counts();
  }

  end(): Recorded {
    this.#recording = false;
    return { ...this.counts(), endToEndMs: this.#endToEndMs.toJSON() };
  }

  serve(calls: Calls = {}): void {
    serveCalls({
      begin: () => this.begin(),
      end: () => this.end(),
      count: () => this.counts(),
      receipts: () => this.#receipts ?? [],
      ...calls,
    });
  }

  #isSeen(n: number, group: string): boolean {
    const byte = n >>> 3;
    const bit = 1 << (n & 7);
    let seen = this.#seen.get(group) ?? new Uint8Array(8_192);
    if (byte >= seen.length) {
      const larger = new Uint8Array(Math.max(byte + 1, seen.length * 2));
      larger.set(seen);
      seen = larger;
    }
    this.#seen.set(group, seen);
    if ((seen[byte]! & bit) !== 0) return true;
    seen[byte]! |= bit;
    return false;
  }
}

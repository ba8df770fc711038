import type { Verdict } from './failure.js';

/** What a consumer has done since its start. */
export class ConsumerCounts {
  received = 0;
  acked = 0;
  /** Failed attempts that are tried again, or were the last. */
  nacked = 0;
  /** Straight to the dead letters. */
  rejected = 0;
  /** Given back unhandled, when the consumer stopped or no handler came free within `visibilityMs`. */
  released = 0;
  /** Deliveries whose receipts were lost, or whose handlers ran too long: they are delivered again. */
  lost = 0;

  ended(kind: Verdict['kind'], count: number): void {
    if (kind === 'ack') this.acked += count;
    else if (kind === 'nack') this.nacked += count;
    else if (kind === 'reject') this.rejected += count;
    else this.released += count;
  }
}

/** Deliveries of a consumer by how far they have come. */
export interface InHand {
  /** For a free handler. */
  waiting: number;
  running: number;
  /** Ended, and the broker does not know it yet. */
  untold: number;
}

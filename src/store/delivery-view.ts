/**
 * How a visible message stands with one subscription. `ready`: waits for its turn (also behind its ordering key);
 * `in_flight`: with a consumer; `retry`: waits for `dueAt`; `filtered`: its tag is not wanted.
 */
export interface DeliveryStateView {
  group: string;
  state: 'ready' | 'in_flight' | 'retry' | 'acked' | 'dead' | 'filtered';
  /** Attempts given out so far; 0 before the first, and where it is no longer known (acked after retries). */
  attempt: number;
  /** When a retry is due, or the claim of a delivery in flight ends (epoch ms). */
  dueAt?: number;
  /** Why the last attempt failed. */
  error?: string;
}

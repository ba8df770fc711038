import { LRUCache } from 'lru-cache';

/** How long entries of a cache last, in milliseconds. Default: as long as there is room. */
export interface CacheTimes {
  ttl?: number;
  /** How long the time that was read last is good enough to tell the age of an entry. Default 1. */
  ttlResolution?: number;
}

/**
 * A cache that keeps the entries used last, and takes memory for those that it has only: one bounded by the `max` of
 * `LRUCache` takes that of all of them, and a millisecond, before the first one.
 * @param entriesMax entries kept, the least recently used go first; a whole number from 1, else it throws
 */
export function boundedCache<Value extends object | number>(
  entriesMax: number,
  times: CacheTimes = {},
): LRUCache<string, Value> {
  return new LRUCache({ ...times, maxSize: entriesMax, sizeCalculation: () => 1 });
}

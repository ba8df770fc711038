import type { Page } from '../catalog-store.js';

/** A page out of one row more than asked for, which tells whether another page follows. `keyOf` is what the rows are ordered by. */
export function pageOf<T>(found: T[], limit: number, keyOf: (item: T) => string): Page<T> {
  const items = found.slice(0, limit);
  const last = items.at(-1);
  return { items, next: found.length > limit && last !== undefined ? keyOf(last) : null };
}

import type { LRUCache } from 'lru-cache';
import { boundedCache } from '../runtime/bounded-cache.js';

/**
 * Rows of the catalog as this process last saw them. Another node's change is seen after `ttlMs` at the latest;
 * what must be exact (shards, ids) is read again under a lock when it is used.
 */
export class CatalogCache<Row extends object> {
  readonly #rows: LRUCache<string, Row>;
  readonly #loading = new Map<string, Promise<Row>>();

  /**
   * @param load reads (or creates) the row; what it throws goes to every caller that waits for that name
   * @param rowsMax names kept, the least recently used go first
   */
  constructor(
    private readonly load: (name: string) => Promise<Row>,
    rowsMax = 10_000,
    ttlMs = 5_000,
  ) {
    this.#rows = boundedCache(rowsMax, { ttl: ttlMs, ttlResolution: ttlMs / 10 });
  }

  /** The row as last seen; null when it must be loaded first. Lets a hot path go on without waiting. */
  peek(name: string): Row | null {
    return this.#rows.get(name) ?? null;
  }

  /** The row; concurrent callers share one load. */
  get(name: string): Promise<Row> {
    const known = this.#rows.get(name);
    if (known) return Promise.resolve(known);
    let loading = this.#loading.get(name);
    if (!loading) {
      loading = this.load(name)
        .then((row) => {
          this.#rows.set(name, row);
          return row;
        })
        .finally(() => this.#loading.delete(name));
      this.#loading.set(name, loading);
    }
    return loading;
  }

  /** To be called when the row was changed or deleted. */
  forget(name: string): void {
    this.#rows.delete(name);
  }
}

import type { LRUCache } from 'lru-cache';
import { boundedCache } from '../runtime/bounded-cache.js';
import type { CatalogStore, Producer, SigningSecrets } from '../store/catalog-store.js';
import type { ProducerAsker } from './producer-asker.js';

/** A producer as it can be asked: its row, its secrets and the way; no `asker` when there is none. */
export interface AskableProducer {
  producer: Producer | null;
  secrets: SigningSecrets | null;
  asker: ProducerAsker | null;
}

interface Row {
  found: { producer: Producer; secrets: SigningSecrets | null } | null;
}

/** Producers whose rows are kept in memory. */
const rowsMax = 10_000;

/** The producers and the ways to ask them. A row changed on another node is seen after the cache's time. */
export class ProducerDirectory {
  readonly #rows: LRUCache<string, Row>;

  /** @param askers ways to ask, the preferred one first */
  constructor(
    private readonly catalog: CatalogStore,
    private readonly askers: readonly ProducerAsker[],
    cacheMs: number,
  ) {
    this.#rows = boundedCache(rowsMax, { ttl: cacheMs });
  }

  async find(name: string): Promise<AskableProducer> {
    let row = this.#rows.get(name);
    if (!row) this.#rows.set(name, (row = { found: await this.catalog.getProducer(name) }));
    if (!row.found) return { producer: null, secrets: null, asker: null };
    const { producer } = row.found;
    return { ...row.found, asker: this.askers.find((asker) => asker.canAsk(producer)) ?? null };
  }

  /** To be called when the producer was changed or deleted. */
  forget(name: string): void {
    this.#rows.delete(name);
  }
}

import type { Clock } from '../message/clock.js';
import { Problem } from '../message/problem.js';
import type { CatalogStore, Producer } from '../store/catalog-store.js';
import { CatalogCache } from './catalog-cache.js';

export interface ProducerDefaults {
  /** Whether an unknown producer is created by its first use. */
  autoCreate: boolean;
  /** First check of a transaction after this long, where neither the producer nor the transaction says otherwise. */
  firstCheckAfterMs: number;
}

/** The producers, as the half stage needs them: known, or created by their first use. */
export class ProducerCatalog {
  readonly #cache: CatalogCache<Producer>;

  constructor(
    private readonly store: CatalogStore,
    private readonly clock: Clock,
    private readonly defaults: ProducerDefaults,
  ) {
    this.#cache = new CatalogCache((name) => this.#load(name));
  }

  /** When a transaction of this producer is first asked about, after its prepare; null when the producer must be loaded. */
  knownFirstCheckAfterMs(name: string): number | null {
    const producer = this.#cache.peek(name);
    return producer && (producer.firstCheckAfterMs ?? this.defaults.firstCheckAfterMs);
  }

  /** As {@link knownFirstCheckAfterMs}, loading the producer where it must be. `producer-not-found` when it may not be created. */
  async firstCheckAfterMs(name: string): Promise<number> {
    const producer = await this.#cache.get(name);
    return producer.firstCheckAfterMs ?? this.defaults.firstCheckAfterMs;
  }

  /** Creates the producer where it is unknown and may be created. `producer-not-found` where it may not. */
  async ensure(name: string): Promise<void> {
    // Not from memory: another node may have deleted it.
    this.#cache.forget(name);
    await this.#cache.get(name);
  }

  /** To be called when the producer was changed or deleted. */
  forget(name: string): void {
    this.#cache.forget(name);
  }

  async #load(name: string): Promise<Producer> {
    if (this.defaults.autoCreate) return this.store.ensureProducer({ name, createdAt: this.clock.now() });
    const found = await this.store.getProducer(name);
    if (!found) throw new Problem('producer-not-found', `producer ${name} does not exist`);
    return found.producer;
  }
}

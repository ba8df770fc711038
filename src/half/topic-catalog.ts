import type { Clock } from '../message/clock.js';
import { bounds } from '../message/bounds.js';
import { Problem } from '../message/problem.js';
import type { CatalogStore, Topic } from '../store/catalog-store.js';
import { CatalogCache } from './catalog-cache.js';

export interface TopicDefaults {
  /** Whether an unknown topic is created by its first use. */
  autoCreate: boolean;
  retentionMs: number;
  bodyBytesMax: number;
}

/** The topics, as senders need them: known, or created by their first use. */
export class TopicCatalog {
  readonly #cache: CatalogCache<Topic>;

  constructor(
    private readonly store: CatalogStore,
    private readonly clock: Clock,
    private readonly defaults: TopicDefaults,
  ) {
    this.#cache = new CatalogCache((name) => this.#load(name));
  }

  /** The topics of the messages, by name, where all were seen not long ago; null when one must be loaded. */
  known(messages: Iterable<{ topic: string }>): Map<string, Topic> | null {
    const topics = new Map<string, Topic>();
    for (const { topic: name } of messages) {
      if (topics.has(name)) continue;
      const topic = this.#cache.peek(name);
      if (topic === null) return null;
      topics.set(name, topic);
    }
    return topics;
  }

  /** As {@link known}, loading what must be. `topic-not-found` for the first that is unknown and may not be created. */
  async resolve(messages: Iterable<{ topic: string }>): Promise<Map<string, Topic>> {
    const topics = new Map<string, Topic>();
    for (const { topic: name } of messages) if (!topics.has(name)) topics.set(name, await this.#cache.get(name));
    return topics;
  }

  /** Creates or changes a topic; what is left out has the defaults. `already-exists` when `shards` differs from what is there. */
  async put(name: string, options: Partial<Pick<Topic, 'shards' | 'retentionMs' | 'bodyBytesMax'>>): Promise<Topic> {
    const present = options.shards === undefined ? await this.store.getTopic(name) : null;
    const topic = await this.store.putTopic({
      ...this.#byDefault(name),
      ...(present ? { shards: present.shards } : {}),
      ...options,
    });
    this.#cache.forget(name);
    return topic;
  }

  get(name: string): Promise<Topic | null> {
    return this.store.getTopic(name);
  }

  async remove(name: string, force: boolean): Promise<boolean> {
    const removed = await this.store.deleteTopic(name, force);
    this.#cache.forget(name);
    return removed;
  }

  async #load(name: string): Promise<Topic> {
    if (this.defaults.autoCreate) return this.store.ensureTopic(this.#byDefault(name));
    const topic = await this.store.getTopic(name);
    if (!topic) throw new Problem('topic-not-found', `topic ${name} does not exist`);
    return topic;
  }

  #byDefault(name: string): Topic {
    const { retentionMs, bodyBytesMax } = this.defaults;
    return { name, shards: bounds.shardsDefault, retentionMs, bodyBytesMax, createdAt: this.clock.now() };
  }
}

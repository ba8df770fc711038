import { LRUCache } from 'lru-cache';
import { listPlaceholders, textOf, type SqlRow, type SqlSession, type Statement } from './database.js';

/** Topics whose number of shards is remembered. */
const topicsMax = 10_000;

/**
 * How many shards each topic has, as last seen. Only a guess, because another node may delete a topic and make it anew:
 * what is true is read again under the shards' locks (see `lockShards`).
 */
export class TopicShards {
  readonly #shards = new LRUCache<string, number>({ max: topicsMax });

  /** Learns those of `names` that are not known. A topic that does not exist is not in the answer. */
  async learn(session: SqlSession, names: Iterable<string>): Promise<Map<string, number>> {
    const known = new Map<string, number>();
    const unknown: string[] = [];
    for (const name of names) {
      if (known.has(name)) continue;
      const shards = this.#shards.get(name);
      if (shards === undefined) unknown.push(name);
      else known.set(name, shards);
    }
    if (unknown.length > 0) {
      const [found] = await session.run(selectShards(unknown));
      for (const [name, shards] of shardsOf(found?.rows ?? [])) {
        this.#shards.set(name, shards);
        known.set(name, shards);
      }
    }
    return known;
  }

  /** How many shards the topic had when it was last seen. */
  get(name: string): number | undefined {
    return this.#shards.get(name);
  }

  forget(name: string): void {
    this.#shards.delete(name);
  }
}

export function selectShards(names: string[]): Statement {
  return {
    sql: `SELECT name, shards FROM halfbox_topic WHERE name IN (${listPlaceholders(names.length)})`,
    params: names,
  };
}

export function shardsOf(rows: SqlRow[]): Map<string, number> {
  return new Map(rows.map((row) => [textOf(row['name']), Number(row['shards'])]));
}

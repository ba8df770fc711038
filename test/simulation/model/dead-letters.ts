import type { Page } from '../../../src/store/catalog-store.js';
import type { DeadLetter, DeadLetterSelection, DeadLetterStore } from '../../../src/store/dead-letter-store.js';
import { byText, isWithin, pageAfter, type DeadLetterRow, type Tables } from './tables.js';

interface Moved {
  count: number;
  subscriptions: { topic: string; group: string }[];
}

/** Dead letters over maps. */
export class ModelDeadLetterStore implements DeadLetterStore {
  constructor(private readonly tables: Tables) {}

  async list(
    filter: { topic?: string; group?: string },
    after: string | undefined,
    limit: number,
  ): Promise<Page<DeadLetter>> {
    const all = [...this.tables.deadLetters.values()]
      .filter(({ topic, group }) => (filter.topic ?? topic) === topic && (filter.group ?? group) === group)
      .sort((a, b) => byText(a.id, b.id));
    const { items, next } = pageAfter(all, after, limit, ({ id }) => id);
    return { items: items.map((dead) => this.#view(dead)), next };
  }

  async redrive(selection: DeadLetterSelection, now: number, limit: number): Promise<Moved> {
    const selected = this.#select(selection, limit);
    for (const { id, topic, group, shard, offset, ref } of selected) {
      this.tables.deadLetters.delete(id);
      const row = this.tables.subscription(topic, group)!;
      const lane = row.lanes.get(shard);
      const isSettled = !lane || offset < lane.settledOffset || isWithin(lane.settledAbove, offset);
      const key = `${shard}:${offset}`;
      if (!isSettled || row.retries.has(key)) continue;
      row.retries.set(key, { shard, offset, ref: { ...ref }, state: 'due', attempt: 0, dueAt: now });
    }
    return this.#moved(selected, now);
  }

  async discard(selection: DeadLetterSelection, limit: number): Promise<Moved> {
    const selected = this.#select(selection, limit);
    for (const { id } of selected) this.tables.deadLetters.delete(id);
    return this.#moved(selected, this.tables.clock.now());
  }

  #select(selection: DeadLetterSelection, limit: number): DeadLetterRow[] {
    const wanted = 'ids' in selection ? new Set(selection.ids) : null;
    return [...this.tables.deadLetters.values()]
      .filter((dead) => {
        if (wanted !== null) return wanted.has(dead.id);
        return 'topic' in selection && dead.topic === selection.topic && dead.group === selection.group;
      })
      .sort((a, b) => byText(a.id, b.id))
      .slice(0, limit);
  }

  #moved(selected: DeadLetterRow[], now: number): Moved {
    const names = new Map(selected.map(({ topic, group }) => [`${topic}/${group}`, { topic, group }]));
    const subscriptions = [...names.values()];
    for (const { topic, group } of subscriptions) this.tables.subscription(topic, group)!.changedAt = now;
    return { count: selected.length, subscriptions };
  }

  #view(dead: DeadLetterRow): DeadLetter {
    const { id, topic, group, shard, offset, ref, attempts, error, firstFailedAt, diedAt } = dead;
    const key = this.tables.messages.get(ref.id)?.stored.key;
    return {
      id,
      topic,
      group,
      messageId: ref.id,
      shard,
      offset,
      attempts,
      error,
      firstFailedAt,
      diedAt,
      ...(key !== undefined && { key }),
      ...(ref.tag !== undefined && { tag: ref.tag }),
    };
  }
}

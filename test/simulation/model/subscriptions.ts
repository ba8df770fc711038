import { Problem } from '../../../src/message/problem.js';
import type { StartPosition, SubscriptionConfig } from '../../../src/message/subscription.js';
import type { Page, SigningSecrets } from '../../../src/store/catalog-store.js';
import type {
  ChangedSubscription,
  Subscription,
  SubscriptionCounts,
  SubscriptionStore,
} from '../../../src/store/subscription-store.js';
import { countSubscription } from './count-subscription.js';
import { byText, pageAfter, type ShardRow, type SubscriptionRow, type Tables } from './tables.js';

const nameOf = ({ topic, group }: Subscription): string => `${topic}/${group}`;

/** Subscriptions over maps. */
export class ModelSubscriptionStore implements SubscriptionStore {
  constructor(private readonly tables: Tables) {}

  async put(
    topic: string,
    group: string,
    config: SubscriptionConfig,
    startFrom: StartPosition,
    newSecret: string | undefined,
    now: number,
  ): Promise<{ subscription: Subscription; created: boolean; secrets: SigningSecrets | null }> {
    const known = this.tables.subscription(topic, group);
    if (known === undefined) {
      const row = this.#create(topic, group, config, startFrom, newSecret, now);
      return { subscription: { ...row.subscription }, created: true, secrets: row.secrets };
    }
    const { mode } = known.subscription.config;
    if (mode !== config.mode) throw new Problem('already-exists', `${topic}/${group} has the mode ${mode}`);
    known.subscription = { ...known.subscription, config: structuredClone(config) };
    known.secrets ??= newSecret === undefined ? null : { current: newSecret };
    known.changedAt = now;
    known.idleUntil = idleUntil(config, now);
    return { subscription: { ...known.subscription }, created: false, secrets: known.secrets };
  }

  async get(topic: string, group: string) {
    const row = this.tables.subscription(topic, group);
    return row === undefined ? null : { subscription: { ...row.subscription }, secrets: row.secrets };
  }

  async list(after: string | undefined, limit: number, topic?: string): Promise<Page<Subscription>> {
    if (after !== undefined && !after.includes('/')) {
      throw new Problem('validation-failed', 'after is not the next of a page');
    }
    // Neither a topic nor a group holds a space, which is lower than every character of theirs.
    const keyOf = (subscription: Subscription): string => nameOf(subscription).replace('/', ' ');
    const all = [...this.tables.subscriptions.values()]
      .map(({ subscription }) => ({ ...subscription }))
      .filter((subscription) => topic === undefined || subscription.topic === topic)
      .sort((a, b) => byText(keyOf(a), keyOf(b)));
    const { items, next } = pageAfter(all, after?.replace('/', ' '), limit, keyOf);
    return { items, next: next?.replace(' ', '/') ?? null };
  }

  async counts(topic: string, group: string): Promise<SubscriptionCounts> {
    return countSubscription(this.tables, topic, group);
  }

  async remove(topic: string, group: string, force: boolean): Promise<boolean> {
    const row = this.tables.subscription(topic, group);
    if (row === undefined) return false;
    if (!force) requireEmpty(this.tables, row);
    this.#remove(topic, group);
    return true;
  }

  async setPaused(topic: string, group: string, paused: boolean, reason?: string): Promise<boolean> {
    const row = this.tables.subscription(topic, group);
    if (row === undefined) return false;
    const { pausedReason: _, ...rest } = row.subscription;
    row.subscription = { ...rest, paused, ...(paused && reason !== undefined && { pausedReason: reason }) };
    row.changedAt = this.tables.clock.now();
    return true;
  }

  async seek(topic: string, group: string, to: StartPosition): Promise<boolean> {
    const row = this.tables.subscription(topic, group);
    if (row === undefined) return false;
    const { epoch, generation } = row.subscription;
    row.subscription = { ...row.subscription, epoch: epoch + 1, generation: generation + 1, owner: null };
    row.changedAt = this.tables.clock.now();
    row.retries.clear();
    for (const shard of this.tables.shards.get(topic) ?? []) {
      const settledOffset = startOffset(shard, to);
      const lane = { shard: shard.shard, settledOffset, settledAbove: [], given: [] };
      row.lanes.set(shard.shard, { ...lane, epoch: epoch + 1, lastWrite: 0 });
    }
    return true;
  }

  async rotateSecret(topic: string, group: string, newSecret: string, previousUntil: number) {
    const row = this.tables.subscription(topic, group);
    if (row === undefined) return null;
    const previous = row.secrets?.current;
    row.secrets = previous === undefined ? { current: newSecret } : { current: newSecret, previous, previousUntil };
    row.changedAt = this.tables.clock.now();
    return row.secrets;
  }

  async touch(subscriptions: { topic: string; group: string }[], now: number): Promise<void> {
    for (const { topic, group } of subscriptions) {
      const row = this.tables.subscription(topic, group);
      if (row?.idleUntil !== undefined) row.idleUntil = idleUntil(row.subscription.config, now);
    }
  }

  async removeIdle(now: number, limit: number): Promise<{ topic: string; group: string }[]> {
    const idle = [...this.tables.subscriptions.values()]
      .filter(({ idleUntil: until }) => until !== undefined && until <= now)
      .sort((a, b) => a.idleUntil! - b.idleUntil!)
      .slice(0, limit)
      .map(({ subscription: { topic, group } }) => ({ topic, group }));
    for (const { topic, group } of idle) this.#remove(topic, group);
    return idle;
  }

  async changedSince(since: number, limit: number): Promise<ChangedSubscription[]> {
    return [...this.tables.subscriptions.values()]
      .filter(({ changedAt }) => changedAt >= since)
      .sort((a, b) => a.changedAt - b.changedAt)
      .slice(0, limit)
      .map(({ subscription, changedAt }) => ({ ...subscription, changedAt }));
  }

  #create(
    topic: string,
    group: string,
    config: SubscriptionConfig,
    startFrom: StartPosition,
    newSecret: string | undefined,
    now: number,
  ): SubscriptionRow {
    const shards = this.tables.shards.get(topic);
    if (shards === undefined) throw new Problem('topic-not-found', `there is no topic ${topic}`);
    const row: SubscriptionRow = {
      subscription: {
        topic,
        group,
        config: structuredClone(config),
        paused: false,
        generation: 1,
        // Epochs begin at the present time, so that the owner of a deleted one of this name never meets its own again.
        epoch: now,
        owner: null,
        createdAt: now,
      },
      secrets: newSecret === undefined ? null : { current: newSecret },
      changedAt: now,
      idleUntil: idleUntil(config, now),
      lanes: new Map(
        shards.map((shard) => [
          shard.shard,
          {
            shard: shard.shard,
            settledOffset: startOffset(shard, startFrom),
            settledAbove: [],
            given: [],
            epoch: now,
            lastWrite: 0,
          },
        ]),
      ),
      retries: new Map(),
    };
    this.tables.subscriptions.set(`${topic}/${group}`, row);
    return row;
  }

  #remove(topic: string, group: string): void {
    this.tables.subscriptions.delete(`${topic}/${group}`);
    for (const { id } of this.tables.deadOf(topic, group)) this.tables.deadLetters.delete(id);
  }
}

/** `not-empty` while anything of the subscription is unsettled, retrying or dead. */
export function requireEmpty(tables: Tables, row: SubscriptionRow): void {
  const { topic, group } = row.subscription;
  const unsettled = (tables.shards.get(topic) ?? []).some(({ shard, nextOffset }) => {
    const lane = row.lanes.get(shard);
    const settled = lane === undefined ? 0 : lane.settledOffset + lengthOf(lane.settledAbove);
    return nextOffset > settled;
  });
  const open = [
    unsettled ? 'unsettled messages' : '',
    row.retries.size > 0 ? 'messages to retry' : '',
    tables.deadOf(topic, group).length > 0 ? 'dead letters' : '',
  ].filter((what) => what !== '');
  if (open.length === 0) return;
  throw new Problem('not-empty', `the subscription ${topic}/${group} has ${open.join(' and ')}; force deletes them`);
}

export function lengthOf(ranges: readonly (readonly [number, number])[]): number {
  return ranges.reduce((all, [from, to]) => all + to - from, 0);
}

function startOffset({ firstOffset, nextOffset, chunks }: ShardRow, position: StartPosition): number {
  if (position === 'latest') return nextOffset;
  if (position === 'earliest') return firstOffset;
  const first = chunks.find(({ appendedAt }) => appendedAt >= position.at);
  return first === undefined ? nextOffset : Math.max(first.firstOffset, firstOffset);
}

function idleUntil({ expiresAfterIdleMs }: SubscriptionConfig, now: number): number | undefined {
  return expiresAfterIdleMs === undefined ? undefined : now + expiresAfterIdleMs;
}

import type { StoredMessage } from '../../../src/message/message.js';
import type { LogChunk } from '../../../src/message/ref.js';
import type {
  ClaimedSubscription,
  FreeLease,
  LaneCursor,
  LaneStore,
  RetryEntry,
  RetryState,
  Settlement,
} from '../../../src/store/lane-store.js';
import type { Subscription } from '../../../src/store/subscription-store.js';
import { byText, type SubscriptionRow, type Tables } from './tables.js';

interface BlockedKey {
  keyHash: string;
  shard: number;
  offset: number;
  state: RetryState | 'dead';
}

const byDue = (a: RetryEntry, b: RetryEntry): number => a.dueAt - b.dueAt || a.shard - b.shard || a.offset - b.offset;

/** Leases, the log, cursors and retries over maps. */
export class ModelLaneStore implements LaneStore {
  constructor(private readonly tables: Tables) {}

  async claimable(now: number, limit: number): Promise<Subscription[]> {
    const free = [...this.tables.subscriptions.values()].filter((row) => this.#isFree(row, now));
    return free.slice(0, limit).map(({ subscription }) => ({ ...subscription }));
  }

  async claim(leases: readonly FreeLease[], nodeId: string, now: number): Promise<(ClaimedSubscription | null)[]> {
    return leases.map((lease) => this.#claim(lease, nodeId, now));
  }

  #claim({ topic, group, epoch }: FreeLease, nodeId: string, now: number): ClaimedSubscription | null {
    const row = this.tables.subscription(topic, group);
    if (row === undefined || row.subscription.epoch !== epoch || !this.#isFree(row, now)) return null;
    row.subscription = { ...row.subscription, owner: nodeId, epoch: epoch + 1 };
    row.changedAt = now;
    for (const lane of row.lanes.values()) Object.assign(lane, { epoch: epoch + 1, lastWrite: 0 });
    return {
      subscription: { ...row.subscription },
      secrets: row.secrets,
      cursors: [...row.lanes.values()].map(copyCursor),
      hasEntries: row.retries.size + this.tables.deadOf(topic, group).length > 0,
    };
  }

  async release(topic: string, group: string, epoch: number): Promise<boolean> {
    const row = this.tables.subscription(topic, group);
    if (row === undefined || row.subscription.epoch !== epoch || row.subscription.owner === null) return false;
    row.subscription = { ...row.subscription, owner: null };
    row.changedAt = this.tables.clock.now();
    return true;
  }

  async readLog(topic: string, shard: number, fromOffset: number, limit: number): Promise<LogChunk[]> {
    const chunks = (this.tables.shard(topic, shard)?.chunks ?? []).filter(
      ({ firstOffset, refs }) => firstOffset + refs.length > fromOffset,
    );
    const near = chunks.filter(({ firstOffset }) => firstOffset < fromOffset + limit);
    return (near.length > 0 ? near : chunks.slice(0, 1)).map((chunk) => {
      const cut = Math.max(0, fromOffset - chunk.firstOffset);
      return { ...chunk, firstOffset: chunk.firstOffset + cut, refs: chunk.refs.slice(cut) };
    });
  }

  async readMessages(ids: string[]): Promise<Map<string, StoredMessage>> {
    const messages = new Map<string, StoredMessage>();
    for (const id of ids) {
      const row = this.tables.messages.get(id);
      if (row !== undefined) messages.set(id, { ...row.stored });
    }
    return messages;
  }

  async heads(topics: string[]): Promise<{ topic: string; shard: number; nextOffset: number }[]> {
    return [...new Set(topics)].flatMap((name) =>
      (this.tables.shards.get(name) ?? []).map(({ topic, shard, nextOffset }) => ({ topic, shard, nextOffset })),
    );
  }

  async dueRetries(topic: string, group: string, now: number, limit: number): Promise<RetryEntry[]> {
    return this.#retries(topic, group, 'due')
      .filter(({ dueAt }) => dueAt <= now)
      .slice(0, limit);
  }

  async givenRetries(topic: string, group: string, limit: number): Promise<RetryEntry[]> {
    return this.#retries(topic, group, 'given').slice(0, limit);
  }

  async nextRetryAt(topic: string, group: string): Promise<number | null> {
    return this.#retries(topic, group, 'due')[0]?.dueAt ?? null;
  }

  async firstOfKey(topic: string, group: string, keyHash: string): Promise<RetryEntry | null> {
    const ofKey = [...(this.tables.subscription(topic, group)?.retries.values() ?? [])]
      .filter(({ ref }) => ref.keyHash === keyHash)
      .sort((a, b) => a.offset - b.offset);
    return ofKey[0] === undefined ? null : { ...ofKey[0] };
  }

  async blockedKeys(
    topic: string,
    group: string,
    blockDead: boolean,
    after: string | undefined,
    limit: number,
  ): Promise<BlockedKey[]> {
    const lowest = new Map<string, BlockedKey>();
    const add = (shard: number, offset: number, keyHash: string | undefined, state: BlockedKey['state']): void => {
      if (keyHash === undefined || keyHash <= (after ?? '')) return;
      const known = lowest.get(keyHash);
      if (known === undefined || offset < known.offset) lowest.set(keyHash, { keyHash, shard, offset, state });
    };
    const retries = this.tables.subscription(topic, group)?.retries.values() ?? [];
    for (const { shard, offset, ref, state } of retries) add(shard, offset, ref.keyHash, state);
    if (blockDead) {
      for (const { shard, offset, ref } of this.tables.deadOf(topic, group)) add(shard, offset, ref.keyHash, 'dead');
    }
    return [...lowest.values()].sort((a, b) => byText(a.keyHash, b.keyHash)).slice(0, limit);
  }

  async settle(settlements: Settlement[]): Promise<('stored' | 'fenced')[]> {
    settlements.forEach(requireLanes);
    return settlements.map((settlement) => this.#settle(settlement));
  }

  #settle({ topic, group, epoch, write, cursors, ...entries }: Settlement): 'stored' | 'fenced' {
    const row = this.tables.subscription(topic, group);
    const isFenced = ({ shard }: LaneCursor): boolean => {
      const lane = row?.lanes.get(shard);
      return lane?.epoch !== epoch || lane.lastWrite >= write;
    };
    if (row === undefined || cursors.some(isFenced)) return cursors.length === 0 ? 'stored' : 'fenced';
    for (const cursor of cursors) row.lanes.set(cursor.shard, { ...copyCursor(cursor), epoch, lastWrite: write });
    for (const { shard, offset } of entries.retriesDelete) row.retries.delete(`${shard}:${offset}`);
    for (const entry of entries.retriesPut) row.retries.set(`${entry.shard}:${entry.offset}`, { ...entry });
    for (const dead of entries.deadLetters) {
      if (!this.tables.deadLetters.has(dead.id)) this.tables.deadLetters.set(dead.id, { ...dead, topic, group });
    }
    return 'stored';
  }

  #isFree({ subscription: { owner } }: SubscriptionRow, now: number): boolean {
    if (owner === null) return true;
    const node = this.tables.nodes.get(owner);
    return node === undefined || node.expiresAt <= now;
  }

  #retries(topic: string, group: string, state: RetryState): RetryEntry[] {
    const entries: RetryEntry[] = [];
    for (const entry of this.tables.subscription(topic, group)?.retries.values() ?? []) {
      if (entry.state === state) entries.push({ ...entry });
    }
    return entries.sort(byDue);
  }
}

function copyCursor({ shard, settledOffset, settledAbove, given }: LaneCursor): LaneCursor {
  return {
    shard,
    settledOffset,
    settledAbove: settledAbove.map(([from, to]) => [from, to]),
    given: given.map(({ from, to, dueAt }) => ({ from, to, dueAt })),
  };
}

/** An entry without its lane would be written without a fence. */
function requireLanes({ topic, group, cursors, retriesPut, retriesDelete, deadLetters }: Settlement): void {
  const lanes = new Set(cursors.map(({ shard }) => shard));
  for (const { shard } of [...retriesPut, ...retriesDelete, ...deadLetters]) {
    if (!lanes.has(shard)) throw new Error(`a settlement of ${topic}/${group} lacks the cursor of shard ${shard}`);
  }
}

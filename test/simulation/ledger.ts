import { tagFilter } from '../../src/message/tag-filter.js';
import { orderingKeyHash } from '../../src/message/ordering-key.js';
import type { MessageRef } from '../../src/message/ref.js';
import type { SubscriptionConfig } from '../../src/message/subscription.js';
import type { Tables } from './model/tables.js';
import type { World } from './world.js';

/** What must hold, by the names of the design. */
export type Invariant =
  | 'lost'
  | 'wrongly-delivered'
  | 'final-state-changed'
  | 'wrong-outcome'
  | 'order-broken'
  | 'offset-gap'
  | 'stuck'
  | 'duplicate-without-cause'
  | 'attempts'
  | 'bound'
  | 'defect';

export interface Violation {
  invariant: Invariant;
  detail: string;
}

/** One try as its consumer has it. */
export interface Try {
  messageId: string;
  shard: number;
  offset: number;
  attempt: number;
  generation: number;
  orderingKey?: string | undefined;
  consumer: string;
  /** Until when it is the consumer's alone (epoch ms of the true time); the rest of time for jobs. */
  claimedUntil: number;
  startedAt: number;
  /** The consumer does no longer work on it, or may have been taken for dead. */
  over: boolean;
}

/** A clock may be so wrong about the store's time. */
const clockErrorMs = 1_000;

interface Handled {
  startedAt: number;
  /** The consumer was told that its ack is stored. */
  confirmed: boolean;
  claimedUntil: number;
}

/** What one consumer group has seen, and what it must never see. */
class GroupLedger {
  readonly working = new Set<Try>();
  /** By generation and message. */
  readonly handled = new Map<string, Handled>();
  readonly starts = new Map<string, number>();
  readonly attempts = new Map<string, number>();
  /** The highest offset that was begun, by generation and key. */
  readonly begun = new Map<string, number>();
  /** By generation and message: died there. */
  readonly dead = new Set<string>();
  /** Dead letters that an operator brought back or threw away: their order and attempts begin anew. */
  readonly redriven = new Set<string>();
  readonly discarded = new Set<string>();
  everHandled = new Set<string>();

  constructor(
    readonly topic: string,
    readonly group: string,
    readonly config: SubscriptionConfig,
    /** Where each shard began for it. */
    readonly startOffsets: number[],
  ) {}
}

/** Knows what producers were told and what consumers did, and finds what must not be. */
export class Ledger {
  readonly violations: Violation[] = [];
  readonly groups = new Map<string, GroupLedger>();
  /** What was answered: sent messages, and transactions by how they were resolved. */
  readonly sent = new Set<string>();
  readonly answered = new Map<string, 'committed' | 'rolled_back'>();
  /** How each transaction ended for its producer; absent while that is open, or when it never knows. */
  readonly truth = new Map<string, 'commit' | 'rollback'>();
  readonly #final = new Map<string, string>();
  #faultAt = -Infinity;
  faults = 0;

  constructor(
    private readonly world: World,
    private readonly tables: Tables,
  ) {}

  violate(invariant: Invariant, detail: string): void {
    this.world.trace(`VIOLATED ${invariant}: ${detail}`);
    if (this.violations.length < 20) this.violations.push({ invariant, detail });
  }

  /** @param forMs how long it lasts: what comes of it may come after that */
  fault(kind: string, forMs = 0): void {
    this.faults += 1;
    this.#faultAt = Math.max(this.#faultAt, this.world.now + forMs);
    this.world.trace(`fault: ${kind}`);
  }

  subscribed(topic: string, group: string, config: SubscriptionConfig): void {
    const lanes = this.tables.subscription(topic, group)!.lanes;
    const startOffsets = [...lanes.values()].map(({ settledOffset }) => settledOffset);
    this.groups.set(`${topic}/${group}`, new GroupLedger(topic, group, config, startOffsets));
  }

  group(topic: string, group: string): GroupLedger {
    return this.groups.get(`${topic}/${group}`)!;
  }

  /** A consumer begins to work on a try. */
  begin(of: GroupLedger, started: Omit<Try, 'startedAt' | 'over'>): Try {
    const begun: Try = { ...started, startedAt: this.world.now, over: false };
    const what = `${of.group} ${begun.messageId}#${begun.attempt} at ${begun.shard}:${begun.offset}`;
    this.world.trace(`${begun.consumer} begins ${what}`);
    this.#checkVisible(of, begun, what);
    this.#checkDuplicate(of, begun, what);
    this.#checkAttempts(of, begun, what);
    if (begun.orderingKey !== undefined) this.#checkOrder(of, begun, begun.orderingKey, what);
    of.working.add(begun);
    // A seek forgets what was given out before it.
    const ofNow = [...of.working].filter(({ generation }) => generation === begun.generation);
    const inHand = ofNow.filter((each) => this.#isHeld(each)).length;
    if (inHand > of.config.maxInFlight)
      this.violate('bound', `${what}: ${inHand} in hand, ${of.config.maxInFlight} allowed`);
    return begun;
  }

  /** A consumer has worked a try off: with success, or in vain. */
  end(of: GroupLedger, ended: Try, ok: boolean): void {
    ended.over = true;
    of.working.delete(ended);
    this.world.trace(`${ended.consumer} ${ok ? 'handled' : 'failed'} ${of.group} ${ended.messageId}#${ended.attempt}`);
    if (!ok) return;
    const { startedAt, claimedUntil } = ended;
    of.everHandled.add(ended.messageId);
    of.handled.set(keyOf(ended), { startedAt, confirmed: false, claimedUntil });
  }

  /** The consumer was told that its success is stored. */
  confirm(of: GroupLedger, settled: Try): void {
    const handled = of.handled.get(keyOf(settled));
    if (handled) handled.confirmed = true;
  }

  /** A consumer gave a try back that it has not begun to handle: the same attempt comes again. */
  released(of: GroupLedger, given: Try): void {
    given.over = true;
    of.working.delete(given);
    const key = `${keyOf(given)}#${given.attempt}`;
    of.attempts.set(key, (of.attempts.get(key) ?? 1) - 1);
    of.starts.set(keyOf(given), (of.starts.get(keyOf(given)) ?? 1) - 1);
  }

  /** Its consumer died, or may be taken for dead. */
  abandon(of: GroupLedger, given: Try): void {
    given.over = true;
    of.working.delete(given);
  }

  /** A dead letter was stored. */
  died(topic: string, group: string, ref: MessageRef, attempts: number, error: string): void {
    const of = this.group(topic, group);
    const { generation } = this.tables.subscription(topic, group)!.subscription;
    of.dead.add(`${generation}/${ref.id}`);
    if (error === 'body-missing') this.violate('lost', `${of.group} ${ref.id}: its body is missing`);
    if (error !== 'rejected' && attempts < of.config.maxAttempts) {
      this.violate(
        'attempts',
        `${of.group} ${ref.id} is dead after ${attempts} of ${of.config.maxAttempts} attempts: ${error}`,
      );
    }
  }

  /** Looks whether a final state changed; after every write to transactions. */
  checkFinal(): void {
    for (const { id, state } of this.tables.transactions.values()) {
      const known = this.#final.get(id);
      if (known !== undefined && known !== state) {
        this.violate('final-state-changed', `${id}: ${known} became ${state}`);
      }
      if (state === 'committed' || state === 'rolled_back') this.#final.set(id, state);
    }
  }

  /** An answer that a producer got. */
  checkAnswered(id: string, state: 'committed' | 'rolled_back'): void {
    const known = this.answered.get(id);
    if (known !== undefined && known !== state)
      this.violate('final-state-changed', `${id} was answered ${known}, then ${state}`);
    this.answered.set(id, state);
  }

  #checkVisible(of: GroupLedger, { messageId, shard, offset }: Try, what: string): void {
    const row = this.tables.messages.get(messageId);
    const id = row?.stored.transactionId;
    const state = id === undefined ? 'committed' : this.tables.transactions.get(id)?.state;
    if (state !== 'committed') this.violate('wrongly-delivered', `${what}: its transaction is ${state}`);
    if (row?.placement?.shard !== shard || row.placement.offset !== offset) {
      this.violate('wrongly-delivered', `${what} lies elsewhere: ${JSON.stringify(row?.placement)}`);
    }
    if (!tagFilter(of.config.filter)(row?.stored.tag))
      this.violate('wrongly-delivered', `${what}: its tag is not wanted`);
  }

  #checkDuplicate(of: GroupLedger, begun: Try, what: string): void {
    const handled = of.handled.get(keyOf(begun));
    if (handled === undefined || of.redriven.has(begun.messageId)) return;
    const hasCause = this.#faultAt >= handled.startedAt || this.world.now >= handled.claimedUntil - clockErrorMs;
    if (handled.confirmed) this.violate('duplicate-without-cause', `${what} comes again though its ack was answered`);
    else if (!hasCause) this.violate('duplicate-without-cause', `${what} comes again and nothing went wrong`);
  }

  #checkAttempts(of: GroupLedger, begun: Try, what: string): void {
    const key = keyOf(begun);
    const starts = (of.starts.get(key) ?? 0) + 1;
    of.starts.set(key, starts);
    const attemptKey = `${key}#${begun.attempt}`;
    const same = (of.attempts.get(attemptKey) ?? 0) + 1;
    of.attempts.set(attemptKey, same);
    if (of.redriven.has(begun.messageId)) return;
    // An engine that is wiped may be given the same try twice.
    if (same > 1 && of.config.mode === 'pull') this.violate('attempts', `${what}: this attempt was given out before`);
    if (begun.attempt > of.config.maxAttempts) this.violate('attempts', `${what} of ${of.config.maxAttempts}`);
    if (starts > of.config.maxAttempts && of.config.mode === 'pull') {
      this.violate('attempts', `${what} is try ${starts} of ${of.config.maxAttempts}`);
    }
  }

  #checkOrder(of: GroupLedger, begun: Try, orderingKey: string, what: string): void {
    for (const other of of.working) {
      const sameKey = other.orderingKey === orderingKey && other.offset !== begun.offset;
      if (!sameKey || other.generation !== begun.generation || !this.#isHeld(other)) continue;
      this.violate(
        'order-broken',
        `${what} while ${other.consumer} has ${other.messageId} at ${other.shard}:${other.offset}`,
      );
    }
    if (of.redriven.has(begun.messageId)) return;
    const key = `${begun.generation}/${orderingKey}`;
    const highest = of.begun.get(key) ?? -1;
    if (begun.offset < highest) this.violate('order-broken', `${what} after offset ${highest} of its key was begun`);
    if (begun.offset <= highest) return;
    of.begun.set(key, begun.offset);
    for (const { id, offset } of this.#wanted(of, begun.shard, orderingKeyHash(orderingKey))) {
      const placed = `${begun.generation}/${id}`;
      if (offset >= begun.offset || of.handled.has(placed) || of.dead.has(placed)) continue;
      this.violate('order-broken', `${what} before ${id} at ${begun.shard}:${offset} of its key was handled`);
    }
  }

  /** The consumer still works on it, within its claim. */
  #isHeld({ over, claimedUntil }: Try): boolean {
    return !over && this.world.now < claimedUntil - clockErrorMs;
  }

  /** What a group is to get of a shard; of one key only where that is given. */
  #wanted(of: GroupLedger, shard: number, keyHash?: string): { id: string; offset: number }[] {
    const wants = tagFilter(of.config.filter);
    const wanted: { id: string; offset: number }[] = [];
    for (const { firstOffset, refs } of this.tables.shard(of.topic, shard)!.chunks) {
      refs.forEach((ref, index) => {
        const offset = firstOffset + index;
        const isOfKey = keyHash === undefined || ref.keyHash === keyHash;
        if (isOfKey && offset >= of.startOffsets[shard]! && wants(ref.tag)) wanted.push({ id: ref.id, offset });
      });
    }
    return wanted;
  }

  /** What must hold when nothing is under way any more. */
  checkEnd(): void {
    this.checkFinal();
    for (const shards of this.tables.shards.values()) for (const shard of shards) this.#checkOffsets(shard);
    for (const id of this.sent) this.#checkPlaced(id, 'a send was answered');
    for (const [id, state] of this.answered) {
      const row = this.tables.transactions.get(id);
      if (row?.state !== state) this.violate('lost', `${id} was answered ${state} and is ${row?.state}`);
    }
    for (const row of this.tables.transactions.values()) {
      const truth = this.truth.get(row.id);
      const right = truth === 'commit' ? 'committed' : truth === 'rollback' ? 'rolled_back' : 'parked';
      // Its checks may have run out before it was decided; then only its producer or an operator ends it.
      if (row.state !== right && (row.state !== 'parked' || this.answered.has(row.id)))
        this.violate('wrong-outcome', `${row.id} is ${row.state}, its producer says ${truth}`);
      if (row.state === 'committed')
        for (const { id } of row.refs) this.#checkPlaced(id, 'its transaction is committed');
    }
    for (const of of this.groups.values()) this.#checkHandled(of);
  }

  #checkOffsets({
    topic,
    shard,
    nextOffset,
    chunks,
  }: {
    topic: string;
    shard: number;
    nextOffset: number;
    chunks: { firstOffset: number; refs: unknown[] }[];
  }): void {
    let next = 0;
    for (const { firstOffset, refs } of chunks) {
      if (firstOffset !== next) this.violate('offset-gap', `${topic}/${shard}: ${next} is followed by ${firstOffset}`);
      next = firstOffset + refs.length;
    }
    if (next !== nextOffset) this.violate('offset-gap', `${topic}/${shard} ends at ${next}, not ${nextOffset}`);
  }

  #checkPlaced(id: string, why: string): void {
    const placement = this.tables.messages.get(id)?.placement;
    if (placement === undefined) this.violate('lost', `${id} is in no log, and ${why}`);
  }

  #checkHandled(of: GroupLedger): void {
    for (const { shard } of this.tables.shards.get(of.topic)!) {
      for (const { id, offset } of this.#wanted(of, shard)) {
        if (of.everHandled.has(id) || of.discarded.has(id)) continue;
        const isDead = this.tables.deadOf(of.topic, of.group).some(({ ref }) => ref.id === id);
        if (!isDead)
          this.violate('lost', `${of.group} never handled ${id} at ${shard}:${offset}, and it is no dead letter`);
      }
    }
  }
}

const keyOf = ({ generation, messageId }: Pick<Try, 'generation' | 'messageId'>): string =>
  `${generation}/${messageId}`;

export type { GroupLedger };

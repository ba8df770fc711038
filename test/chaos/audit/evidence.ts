import type { SubscriptionSettings } from '../../../src/client/index.js';
import type { ConsumerEntry, Intended, ProducerEntry } from '../facts.js';
import type { Written } from '../journal.js';
import type { LogEntry, StoreImage, TransactionState } from './store-image.js';

/** Something that may have made a message come twice. */
export interface Cause {
  at: number;
  until: number;
  what: string;
}

/** Everything that the audit looks at. Nothing of it comes from the broker's own code. */
export interface Evidence {
  producer: Written<ProducerEntry>[];
  /** In the order in which each consuming process wrote them. */
  consumer: Written<ConsumerEntry>[];
  /** Orders that the application's database has. */
  orders: Set<string>;
  /** Messages that the inbox's work was done for, as often as it was. */
  effects: string[];
  /** What the store held over time, the last one when everything was quiet. */
  images: StoreImage[];
  subscriptions: Map<string, SubscriptionSettings>;
  /** What does not go over the broker's queues any more although it is quiet, from elsewhere (Redis, outbox). */
  left: string[];
  causes: Cause[];
  maxAttempts: number;
}

export const invariants = ['lost', 'wrong', 'final', 'order', 'offsets', 'dropped', 'stuck', 'duplicate'] as const;
export type Invariant = (typeof invariants)[number];

/** One breach of an invariant. */
export interface Finding {
  invariant: Invariant;
  /** When it happened, as far as that is known (epoch ms); by it a finding belongs to a kill. */
  at: number;
  what: string;
}

/** What the evidence says about every message that a producer meant to send. */
export interface Fate {
  intended: Written<Intended>;
  id: string;
  topic: string;
  tag?: string | undefined;
  /** `must` and `never` be delivered. */
  verdict: 'must' | 'never';
  /** Why, for a finding. */
  because: string;
}

/** The evidence in the form in which the checks need it. */
export class Case {
  readonly last: StoreImage;
  /** Every entry that was ever seen in the log, by message. */
  readonly placesOf = new Map<string, LogEntry[]>();
  /** States of each transaction in the order in which they were seen. */
  readonly statesOf = new Map<string, { at: number; state: TransactionState }[]>();
  readonly answersOf = new Map<string, Written<ProducerEntry>[]>();
  readonly fates: Fate[] = [];
  readonly fateOf = new Map<string, Fate>();
  readonly #got: Set<string>;

  constructor(readonly evidence: Evidence) {
    const last = evidence.images.at(-1);
    if (!last) throw new Error('nothing was read of the store');
    this.last = last;
    this.#got = new Set(evidence.consumer.flatMap((entry) => (entry.kind === 'got' ? [entry.id] : [])));
    for (const image of evidence.images) this.#take(image);
    for (const entry of evidence.producer) {
      const answers = this.answersOf.get(entry.order);
      if (answers) answers.push(entry);
      else this.answersOf.set(entry.order, [entry]);
    }
    for (const entry of evidence.producer) if (entry.kind === 'intended') this.#judge(entry);
  }

  /** Subscriptions that a message of this topic and tag goes to. */
  receivers(topic: string, tag: string | undefined): string[] {
    return [...this.evidence.subscriptions]
      .filter(([name, { filter = '*' }]) => {
        if (!name.startsWith(`${topic}/`)) return false;
        return filter === '*' || (tag !== undefined && filter.split('||').includes(tag));
      })
      .map(([name]) => name);
  }

  #take(image: StoreImage): void {
    for (const [id, state] of image.transactions) {
      const states = this.statesOf.get(id);
      if (!states) this.statesOf.set(id, [{ at: image.at, state }]);
      else if (states.at(-1)!.state !== state) states.push({ at: image.at, state });
    }
    for (const entry of image.log) {
      const places = this.placesOf.get(entry.id);
      if (!places) this.placesOf.set(entry.id, [entry]);
      else if (!places.some(({ shard, offset }) => shard === entry.shard && offset === entry.offset))
        places.push(entry);
    }
  }

  #judge(intended: Written<Intended>): void {
    const [verdict, because] = this.#verdictOf(intended);
    for (const { id, topic, tag } of intended.messages) {
      const fate: Fate = { intended, id, topic, tag, verdict, because };
      this.fates.push(fate);
      this.fateOf.set(id, fate);
    }
  }

  #verdictOf({ order, decision, transaction }: Written<Intended>): [Fate['verdict'], string] {
    const answers = this.answersOf.get(order)!.flatMap((entry) => (entry.kind === 'answered' ? [entry.what] : []));
    if (decision === 'local') {
      return this.evidence.orders.has(order)
        ? ['must', 'the local transaction has committed']
        : ['never', 'the local transaction has not committed'];
    }
    if (answers.includes('sent')) return ['must', 'the send was answered'];
    if (answers.includes('committed')) return ['must', 'the commit was answered'];
    if (answers.includes('rolled_back')) return ['never', 'the rollback was answered'];
    if (decision === 'rollback' || decision === 'unknown') return ['never', `its producer decided ${decision}`];
    const isKnown = answers.includes('prepared') || (transaction !== undefined && this.statesOf.has(transaction));
    if (isKnown) return ['must', 'its producer answers check-backs with commit'];
    // No call was answered, and what one of them did is for the store to say.
    return this.#wasTaken(order) ? ['must', 'the store took it'] : ['never', 'the store did not take it'];
  }

  /** All messages of a call are taken or none; where retention has deleted them since, a consumer tells. */
  #wasTaken(order: string): boolean {
    const intended = this.answersOf.get(order)!.find(({ kind }) => kind === 'intended') as Written<Intended>;
    return intended.messages.some(({ id }) => this.placesOf.has(id) || this.#got.has(id));
  }
}

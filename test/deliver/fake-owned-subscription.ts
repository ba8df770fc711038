import { Problem } from '../../src/message/problem.js';
import type { SubscriptionConfig } from '../../src/message/subscription.js';
import type {
  Delivery,
  DeliveryId,
  DeliveryOutcome,
  DeliveryResult,
  OwnedSubscription,
} from '../../src/relay/owned-subscription.js';

interface Entry {
  offset: number;
  attempt: number;
  state: 'ready' | 'given' | 'acked';
  inherited: boolean;
  claimedUntil: number;
}

/** The relay as a consumer sees it, in memory: one lane, retries at once, no end of attempts. */
export class FakeOwnedSubscription implements OwnedSubscription {
  readonly group = 'mail';
  readonly config: SubscriptionConfig = {
    mode: 'queue',
    filter: '*',
    maxAttempts: 100,
    retry: { fixedMs: 0 },
    maxInFlight: 1_000_000,
    onDeadLetter: 'continue',
  };
  readonly secrets = null;
  holds = true;
  paused = false;
  /** What was settled, in order. */
  readonly settled: { offset: number; attempt: number; result: DeliveryResult }[] = [];
  readonly entries: Entry[] = [];
  /** While set, every call fails as when the store is away. */
  away = false;
  extended = 0;
  private readonly listeners = new Set<() => void>();

  constructor(
    readonly topic: string,
    readonly clock: { now(): number },
    public generation = 0,
    private readonly bodyOf: (offset: number) => string = (offset) => JSON.stringify({ n: offset }),
  ) {}

  /** So many messages are committed. */
  add(count: number): void {
    for (let n = 0; n < count; n++) {
      this.entries.push({ offset: this.entries.length, attempt: 0, state: 'ready', inherited: false, claimedUntil: 0 });
    }
    this.ready();
  }

  /** What a successor owns. */
  takenOver(generation = this.generation): FakeOwnedSubscription {
    const next = new FakeOwnedSubscription(this.topic, this.clock, generation, this.bodyOf);
    for (const entry of this.entries) next.entries.push({ ...entry, inherited: entry.state === 'given' });
    return next;
  }

  get acked(): number {
    return this.entries.filter(({ state }) => state === 'acked').length;
  }

  get given(): number {
    return this.entries.filter(({ state }) => state === 'given').length;
  }

  take(max: number, claimMs: number): Promise<Delivery[]> {
    return this.answer(() => {
      if (this.paused) return [];
      const taken = this.entries.filter(({ state }) => state === 'ready').slice(0, max);
      for (const entry of taken) {
        entry.state = 'given';
        entry.attempt += 1;
        entry.claimedUntil = this.clock.now() + claimMs;
      }
      return taken.map((entry) => this.delivery(entry));
    });
  }

  settle(outcomes: DeliveryOutcome[]): Promise<('settled' | 'stale')[]> {
    return this.answer(() =>
      outcomes.map((outcome) => {
        const entry = this.find(outcome);
        if (entry === undefined) return 'stale';
        entry.state = outcome.result.kind === 'ack' ? 'acked' : 'ready';
        if (outcome.result.kind === 'release') entry.attempt -= 1;
        this.settled.push({ offset: outcome.offset, attempt: outcome.attempt, result: outcome.result });
        if (entry.state === 'ready') this.ready();
        return 'settled';
      }),
    );
  }

  extend(deliveries: DeliveryId[], claimMs: number): Promise<('extended' | 'stale')[]> {
    return this.answer(() =>
      deliveries.map((id) => {
        const entry = this.find(id);
        if (entry === undefined) return 'stale';
        this.extended += 1;
        entry.claimedUntil = this.clock.now() + claimMs;
        return 'extended';
      }),
    );
  }

  onReady(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  inFlight(): Promise<Delivery[]> {
    return this.answer(() =>
      this.entries
        .filter(({ state, inherited }) => state === 'given' && inherited)
        .map((entry) => this.delivery(entry)),
    );
  }

  ready(): void {
    for (const listener of this.listeners) listener();
  }

  private find(id: DeliveryId): Entry | undefined {
    const entry = this.entries[id.offset];
    if (id.generation !== this.generation || entry?.state !== 'given' || entry.attempt !== id.attempt) return undefined;
    return entry;
  }

  private delivery({ offset, attempt, claimedUntil }: Entry): Delivery {
    const body = { json: this.bodyOf(offset) };
    const message = { id: `message:${offset}`, topic: this.topic, body, storedAt: 0 };
    return { shard: 0, offset, attempt, generation: this.generation, claimedUntil, message };
  }

  private answer<T>(answer: () => T): Promise<T> {
    if (this.away) return Promise.reject(new Problem('unavailable', 'the store is away'));
    return Promise.resolve(answer());
  }
}

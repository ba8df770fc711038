import { setTimeout as wait } from 'node:timers/promises';
import { newSecret } from '../../src/callback/signer.js';
import type { StoredMessage } from '../../src/message/message.js';
import { Problem } from '../../src/message/problem.js';
import type { SubscriptionConfig } from '../../src/message/subscription.js';
import type {
  Delivery,
  DeliveryOutcome,
  DeliveryResult,
  OwnedSubscription,
} from '../../src/relay/owned-subscription.js';
import type { SigningSecrets } from '../../src/store/catalog-store.js';

/** A subscription whose messages the test hands in; each is given out once, and what became of it is kept. */
export class HandedSubscription implements OwnedSubscription {
  readonly topic = 'orders';
  readonly group = 'mail';
  readonly generation = 0;
  readonly secrets: SigningSecrets | null = { current: newSecret() };
  holds = true;
  paused = false;
  /** Results by message id, in the order in which they were settled. */
  readonly settled = new Map<string, DeliveryResult>();
  /** How many of the next calls of each kind fail as when the store is away. */
  failures = { take: 0, settle: 0 };
  readonly claimsMs: number[] = [];
  given = 0;
  inHandMax = 0;
  readonly #waiting: StoredMessage[] = [];
  readonly #listeners = new Set<() => void>();

  constructor(readonly config: SubscriptionConfig) {}

  add(...messages: (Partial<StoredMessage> & { id: string })[]): void {
    for (const message of messages) {
      this.#waiting.push({ topic: this.topic, body: { json: '{"a":1}' }, storedAt: 1_900_000_000_000, ...message });
    }
    for (const listener of this.#listeners) listener();
  }

  take(max: number, claimMs: number): Promise<Delivery[]> {
    if (this.failures.take-- > 0) return Promise.reject(new Problem('unavailable', 'the store is away'));
    if (this.paused) return Promise.resolve([]);
    this.claimsMs.push(claimMs);
    const deliveries = this.#waiting.splice(0, max).map((message): Delivery => {
      const place = { shard: 2, offset: this.given, attempt: 1, generation: 0 };
      this.given += 1;
      return { ...place, message, claimedUntil: Date.now() + claimMs };
    });
    this.inHandMax = Math.max(this.inHandMax, this.given - this.settled.size);
    return Promise.resolve(deliveries);
  }

  settle(outcomes: DeliveryOutcome[]): Promise<('settled' | 'stale')[]> {
    if (this.failures.settle-- > 0) return Promise.reject(new Problem('unavailable', 'the store is away'));
    for (const outcome of outcomes) this.settled.set((outcome as unknown as Delivery).message.id, outcome.result);
    return Promise.resolve(outcomes.map(() => 'settled'));
  }

  extend(): Promise<('extended' | 'stale')[]> {
    return Promise.reject(new Error('not used'));
  }

  onReady(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  inFlight(): Promise<Delivery[]> {
    return Promise.resolve([]);
  }

  /** Resolves when so many deliveries are settled. */
  async untilSettled(count: number): Promise<void> {
    await until(() => this.settled.size >= count);
  }
}

/** Resolves when the condition holds; fails after 10 s. */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('waited 10 s in vain');
    await wait(5);
  }
}

export function subscriptionConfig(changes: Partial<SubscriptionConfig>): SubscriptionConfig {
  return {
    mode: 'push',
    filter: '*',
    maxAttempts: 17,
    retry: { fixedMs: 1_000 },
    maxInFlight: 1_000,
    onDeadLetter: 'continue',
    ...changes,
  };
}

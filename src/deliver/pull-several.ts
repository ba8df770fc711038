import type { Clock } from '../message/clock.js';
import { giveBack, keepWithin, type Taken } from './give-back.js';
import type { PulledSubscription, ReceivedDelivery, ReceiveRequest } from './pull.js';
import type { Receipts } from './receipts.js';
import { SeveralWaits, type Watched } from './several-waits.js';

export interface SubscriptionName {
  topic: string;
  group: string;
}

/** A delivery, and the subscription that it is of. */
export interface SeveralDelivery extends SubscriptionName, ReceivedDelivery {}

export interface ReceivedOfSeveral {
  deliveries: SeveralDelivery[];
  /** This node does not have them, or could take nothing from them: their own `receive` serves them, or says why not. */
  notServed: SubscriptionName[];
}

/** What receiving from several subscriptions works on. */
export interface SeveralParts {
  /** The subscription where this node owns it. */
  owned(topic: string, group: string): PulledSubscription | null;
  clock: Clock;
  receipts: Receipts;
  /** Bytes of the bodies of one answer; one delivery is given whatever its size. */
  receiveBytesMax: number;
}

/** Calls that wait at most. */
const waitingMax = 1_000;

/**
 * A subscription is asked at least so often, whatever it told: what it reads ahead, retries too, depends on being asked where the
 * node has read a lot.
 */
const askAgainMs = 5_000;

/** Receives from several subscriptions in one call, as a fetch of Kafka's protocol does from several partitions. */
export class PullSeveral {
  readonly #waits = new SeveralWaits(waitingMax);
  #calls = 0;

  constructor(private readonly parts: SeveralParts) {}

  /**
   * Up to `max` deliveries over all of them, in equal shares: at once where some are ready, else as soon as there are, else none
   * after `waitMs`. Where some are not served it does not wait. `overloaded` beyond 1,000 calls that wait.
   * @param signal aborted when the caller has gone: what was taken for it is due again at once, no attempt counted
   */
  async receive(names: SubscriptionName[], request: ReceiveRequest, signal?: AbortSignal): Promise<ReceivedOfSeveral> {
    const { watched, notServed } = this.#split(names, request.waitMs);
    const look = async (): Promise<Taken[] | null> => {
      const taken = await this.#take(watched, notServed, request);
      return taken.length > 0 || notServed.length > 0 ? taken : null;
    };
    let taken = await look();
    if (taken === null && request.waitMs > 0 && signal?.aborted !== true) {
      taken = await this.#waits.wait(watched, request.waitMs, signal, look);
    }
    taken ??= [];
    if (signal?.aborted === true) {
      await giveBack(taken);
      return { deliveries: [], notServed };
    }
    const given = await keepWithin(this.parts.receiveBytesMax, taken);
    const deliveries = given.map(({ subscription, delivery }) => {
      const { topic, group } = subscription;
      return { topic, group, receipt: this.parts.receipts.of(subscription, delivery), delivery };
    });
    return { deliveries, notServed };
  }

  /** Those that can be asked here, each once and beginning with another one in each call, and the others. */
  #split(names: SubscriptionName[], waitMs: number): { watched: Watched[]; notServed: SubscriptionName[] } {
    const usedUntil = this.parts.clock.now() + waitMs;
    const found = new Set<Watched>();
    const notServed: SubscriptionName[] = [];
    const first = (this.#calls += 1) % names.length;
    for (let index = 0; index < names.length; index += 1) {
      const { topic, group } = names[(first + index) % names.length]!;
      const subscription = this.parts.owned(topic, group);
      if (subscription?.config.mode === 'pull') {
        subscription.markUsed(usedUntil);
        found.add(this.#waits.watch(subscription));
      } else notServed.push({ topic, group });
    }
    return { watched: [...found], notServed };
  }

  /** Asks those that may have something, until some have. */
  async #take(watched: Watched[], notServed: SubscriptionName[], request: ReceiveRequest): Promise<Taken[]> {
    const now = this.parts.clock.now();
    // A call that does not wait is answered no less than one of a single subscription, which waits for what is being read.
    const all = request.waitMs === 0;
    const asked = watched.filter(({ mayHave, askedAt }) => all || mayHave || Math.abs(now - askedAt) >= askAgainMs);
    const taken: Taken[] = [];
    for (let from = 0; from < asked.length && taken.length === 0; from += request.max) {
      const some = asked.slice(from, from + request.max);
      const share = Math.floor(request.max / some.length);
      const answers = await Promise.allSettled(some.map((one) => this.#takeFrom(one, share, request.visibilityMs)));
      const failures: unknown[] = [];
      answers.forEach((answer, index) => {
        if (answer.status === 'fulfilled') return taken.push(...answer.value);
        const { topic, group, ended } = some[index]!.subscription;
        if (!ended) failures.push(answer.reason);
        // It moved to another node, or fails for a reason of its own, which its own `receive` tells.
        notServed.push({ topic, group });
      });
      if (failures.length === some.length) throw failures[0];
    }
    return taken;
  }

  async #takeFrom(watched: Watched, max: number, visibilityMs: number): Promise<Taken[]> {
    const { subscription } = watched;
    // Before it is asked: what becomes ready while it answers must not be missed.
    watched.mayHave = false;
    watched.askedAt = this.parts.clock.now();
    try {
      const deliveries = await subscription.take(max, visibilityMs);
      // It may have more, for another call that waits.
      if (deliveries.length > 0) this.#waits.ready(watched);
      return deliveries.map((delivery) => ({ subscription, delivery }));
    } catch (error) {
      watched.mayHave = true;
      throw error;
    }
  }
}

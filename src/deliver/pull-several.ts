import type { Clock } from '../message/clock.js';
import type { Logger } from '../runtime/logger.js';
import { AskRound, type TakenFrom } from './ask-round.js';
import { giveBack, splitAt } from './give-back.js';
import type { PulledSubscription, ReceivedDelivery, ReceiveRequest, SubscriptionName } from './pulled-subscription.js';
import type { Receipts } from './receipts.js';
import { isAskable, SeveralWaits, type Watched } from './several-waits.js';

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
  logger: Logger;
  receipts: Receipts;
  /** Bytes of the bodies of one answer; one delivery is given whatever its size. */
  receiveBytesMax: number;
}

/** Subscriptions of all calls that wait, at most. */
const waitingNamesMax = 200_000;

/**
 * A subscription is asked at least so often while calls name it, whatever it told: what it reads ahead, retries too, depends on
 * being asked where the node has read a lot.
 */
const askAgainMs = 5_000;

/** Receives from several subscriptions in one call, as a fetch of Kafka's protocol does from several partitions. */
export class PullSeveral {
  readonly #waits = new SeveralWaits(waitingNamesMax, askAgainMs);
  #served = 0;

  constructor(private readonly parts: SeveralParts) {}

  /**
   * Up to `max` deliveries over all of them, in equal shares, those first that were served least recently: at once where some are
   * ready, else as soon as there are, else none after `waitMs`. Where some are not served it does not wait. Rejects only
   * where all of them fail; `overloaded` where calls wait for 200,000 of them.
   * @param signal aborted when the caller has gone: what was taken for it is due again at once, no attempt counted
   */
  async receive(names: SubscriptionName[], request: ReceiveRequest, signal?: AbortSignal): Promise<ReceivedOfSeveral> {
    const { watched, notServed } = this.#split(names, request.waitMs);
    const look = async (): Promise<TakenFrom[] | null> => {
      if (signal?.aborted === true) return null;
      const taken = await this.#take(watched, notServed, request);
      return taken.length > 0 || notServed.length > 0 ? taken : null;
    };
    let taken = await look();
    if (taken === null && request.waitMs > 0 && signal?.aborted !== true) {
      taken = await this.#waits.wait(watched, request.waitMs, signal, look);
    }
    return { deliveries: this.#handOut(taken ?? [], signal), notServed };
  }

  /** Those that can be asked here, each once, and the others. */
  #split(names: SubscriptionName[], waitMs: number): { watched: Watched[]; notServed: SubscriptionName[] } {
    const usedUntil = this.parts.clock.now() + waitMs;
    const watched = new Set<Watched>();
    const others = new Map<string, SubscriptionName>();
    for (const { topic, group } of names) {
      const subscription = this.parts.owned(topic, group);
      if (subscription?.config.mode === 'pull') {
        subscription.markUsed(usedUntil);
        watched.add(this.#waits.watch(subscription));
      } else others.set(`${topic}/${group}`, { topic, group });
    }
    return { watched: [...watched], notServed: [...others.values()] };
  }

  /** Asks those that may have something, as many at a time as there may be deliveries, until some have. */
  async #take(watched: Watched[], notServed: SubscriptionName[], request: ReceiveRequest): Promise<TakenFrom[]> {
    const { max, visibilityMs, waitMs } = request;
    const now = this.parts.clock.now();
    // A call that does not wait is answered no less than one of a single subscription, which waits for what is being read.
    const isDue = (one: Watched): boolean =>
      isAskable(one) || (!one.slow && (waitMs === 0 || Math.abs(now - one.askedAt) >= askAgainMs));
    const due = watched.filter(isDue).sort((a, b) => a.servedAs - b.servedAs);
    let failures = 0;
    for (let from = 0; from < due.length; from += max) {
      const some = due.slice(from, from + max);
      const share = Math.floor(max / some.length);
      const round = new AskRound(
        (one) => this.#takeFrom(one, share, visibilityMs),
        (late) => void giveBack(late, this.parts.logger),
      );
      const taken = await round.run(some, visibilityMs);
      failures += round.failed.size;
      for (const [{ subscription }, error] of round.failed) {
        if (failures === watched.length && !subscription.ended && notServed.length === 0) throw error;
        // It moved to another node, or fails for a reason of its own, which its own `receive` tells.
        notServed.push({ topic: subscription.topic, group: subscription.group });
      }
      if (taken.length > 0) return taken;
    }
    return [];
  }

  async #takeFrom(watched: Watched, max: number, visibilityMs: number): Promise<TakenFrom[]> {
    const { subscription, signals } = watched;
    watched.askedAt = this.parts.clock.now();
    try {
      const deliveries = await subscription.take(max, visibilityMs);
      // What became ready while it answered must not be missed.
      if (deliveries.length === 0 && watched.signals === signals) watched.mayHave = false;
      return deliveries.map((delivery) => ({ watched, subscription, delivery }));
    } finally {
      watched.slow = false;
      // For another call that waits: it may have more, or is to be asked again.
      if (watched.mayHave) this.#waits.wake(watched);
    }
  }

  /** Waits for nothing: the claims of what is handed out run already. */
  #handOut(taken: TakenFrom[], signal: AbortSignal | undefined): SeveralDelivery[] {
    const { logger, receipts, receiveBytesMax } = this.parts;
    const gone = signal?.aborted === true;
    // Where the lease was lost since it was taken, another node may have given out what comes after it.
    const isHeld = ({ subscription }: TakenFrom): boolean => !gone && subscription.holds;
    const [within, beyond] = splitAt(receiveBytesMax, taken.filter(isHeld));
    void giveBack([...taken.filter((one) => !isHeld(one)), ...beyond], logger);
    return within.map(({ watched, subscription, delivery }) => {
      watched.servedAs = this.#served += 1;
      const { topic, group } = subscription;
      return { topic, group, receipt: receipts.of(subscription, delivery), delivery };
    });
  }
}

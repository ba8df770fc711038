import { reached } from '../../message/step.js';
import type { Delivery } from '../contract.js';
import { ConsumerStopped, ReceiptLost } from './consume-errors.js';
import { ConsumerCounts, type InHand } from './consumer-counts.js';
import {
  completeConsumerOptions,
  tell,
  tellRecovered,
  type CompleteConsumerOptions,
  type ConsumeFailure,
  type ConsumerOptions,
} from './consumer-options.js';
import { HeldDelivery, type ConsumedMessage } from './delivery-context.js';
import { isAskedFor, toError, verdictOf, type Verdict } from './failure.js';
import { Prefetch } from './prefetch.js';
import { Receiver } from './receiver.js';
import { Settlements } from './settlements.js';
import { groupOfOwn, settingsOf, subscribeFirmly } from './subscribe.js';
import { Visibility } from './visibility.js';

/** Handlers that were aborted at a stop may still end, and their outcomes be told. */
const lastEndsMs = 1_000;
/** Ended deliveries that the broker was not told about yet; beyond that nothing is received. */
const untoldMax = 1_024;

/**
 * Handles the messages of one subscription of mode `pull`: received in batches by long poll, handled with a bounded
 * concurrency, kept while their handlers run, and acknowledged in batches. Delivery is at least once: a crash, or a
 * broker that is away for longer than `visibilityMs`, can bring a message twice; make handlers repeatable by its id.
 * Messages of one ordering key come one at a time and in order, with any concurrency.
 */
export class Consumer<Body = unknown> {
  readonly #options: CompleteConsumerOptions<Body>;
  /** Of its own where it is broadcasting. */
  readonly group: string;
  readonly #counts = new ConsumerCounts();
  readonly #prefetch: Prefetch;
  readonly #receiver: Receiver;
  readonly #visibility: Visibility;
  readonly #settlements: Settlements;
  /** Received and not begun. */
  readonly #waiting = new Set<HeldDelivery>();
  readonly #running = new Set<HeldDelivery>();
  readonly #ending = new AbortController();
  /** When a handler began or ended last. */
  #progressAt = -Infinity;
  #stopping = false;
  #stopped: Promise<void> | undefined;
  #allEnded: () => void = () => undefined;

  /** Throws a RangeError for an option beyond its bounds. */
  constructor(options: ConsumerOptions<Body>) {
    this.#options = completeConsumerOptions(options);
    const { client, topic, group, broadcasting, visibilityMs, waitMs, handlerMsMax } = this.#options;
    this.group = broadcasting === false ? group : groupOfOwn(group);
    this.#prefetch = new Prefetch(this.#options);
    const at = { client, topic, group: this.group, visibilityMs };
    this.#receiver = new Receiver({
      ...at,
      waitMs,
      room: () => this.#room(),
      took: (deliveries, askedAt) => this.#took(deliveries, askedAt),
      subscribe: () => this.#subscribe(),
      failed: (error, during) => this.#report(error, during),
      recovered: () => tellRecovered(this.#options),
    });
    this.#visibility = new Visibility({
      ...at,
      handlerMsMax,
      overdue: (delivery) => this.#giveBack([delivery]),
      lost: (delivery) => this.#lost(delivery),
      failed: (error) => this.#report(error, 'extend'),
    });
    this.#settlements = new Settlements(at, {
      settled: (count, kind) => {
        this.#counts.ended(kind, count);
        this.#receiver.wake();
      },
      lost: (delivery, error) => {
        if (delivery.loss !== undefined) return;
        delivery.lose(error);
        this.#lost(delivery);
      },
      failed: (error) => this.#report(error, 'settle'),
    });
  }

  get topic(): string {
    return this.#options.topic;
  }

  /** What has happened since the start, and what is in hand. */
  get counts(): ConsumerCounts & InHand {
    const inHand = { waiting: this.#waiting.size, running: this.#running.size, untold: this.#settlements.count };
    return Object.assign(new ConsumerCounts(), this.#counts, inHand);
  }

  /**
   * Resolves when the subscription exists and messages are being received: what is committed from then on is delivered.
   * Rejects with `BrokerRefused`, or with `BrokerUnreachable` when no broker answered within `startMs`. Resolves also when
   * it was stopped meanwhile.
   */
  async start(): Promise<void> {
    await this.#subscribe();
    if (this.#ending.signal.aborted) return;
    this.#receiver.start();
  }

  /**
   * Receives nothing more, gives back what was not begun (it is delivered to others at once, and no attempt is counted),
   * and waits for running handlers, `stopMs` at most; then their signals are aborted, and those that do not end within a
   * second are left alone: their messages are delivered again when their visibility ends.
   */
  stop(): Promise<void> {
    return (this.#stopped ??= this.#stop());
  }

  async #subscribe(): Promise<void> {
    const { client, topic, subscription, broadcasting, visibilityMs, waitMs, startMs } = this.#options;
    if (subscription === false) return;
    const idleMs = Math.max(60_000, 2 * visibilityMs, 2 * waitMs);
    const settings = settingsOf('pull', subscription, broadcasting, idleMs);
    const deadline = performance.now() + startMs;
    const { signal } = this.#ending;
    await subscribeFirmly(client, { topic, group: this.group }, settings, deadline, signal, (error) =>
      this.#report(error, 'subscribe'),
    );
  }

  /** How many messages to ask for; none until half of what may wait is begun, so that they come in batches. */
  #room(): number {
    const { concurrency, batchMax, visibilityMs } = this.#options;
    const isStuck = this.#running.size >= concurrency && performance.now() - this.#progressAt > visibilityMs;
    const prefetch = isStuck ? 0 : this.#prefetch.max;
    if (this.#waiting.size * 2 > prefetch || this.#settlements.count >= untoldMax) return 0;
    return Math.min(batchMax, concurrency + prefetch - this.#running.size - this.#waiting.size);
  }

  #took(deliveries: Delivery[], askedAt: number): void {
    this.#counts.received += deliveries.length;
    // The answer may have been on its way for long.
    const expiresAt = askedAt + this.#options.visibilityMs;
    const extend = (delivery: HeldDelivery, visibilityMs: number) => this.#visibility.extend(delivery, visibilityMs);
    for (const delivery of deliveries) {
      const held = new HeldDelivery(this.group, delivery, expiresAt, extend);
      this.#waiting.add(held);
      this.#visibility.hold(held);
    }
    if (deliveries.length > 0) this.#prefetch.sampled(deliveries[0]!.message);
    this.#begin();
  }

  #begin(): void {
    if (this.#stopping) return;
    for (const delivery of this.#waiting) {
      if (this.#running.size >= this.#options.concurrency) return;
      this.#waiting.delete(delivery);
      if (this.#visibility.isOver(delivery)) continue;
      this.#running.add(delivery);
      void this.#handle(delivery);
    }
  }

  async #handle(delivery: HeldDelivery): Promise<void> {
    const begunAt = (this.#progressAt = delivery.begunAt = performance.now());
    let verdict: Verdict = { kind: 'ack' };
    try {
      await this.#options.handler(delivery.message as ConsumedMessage<Body>, delivery);
    } catch (error) {
      verdict = verdictOf(error);
      if (!isAskedFor(error)) this.#report(toError(error), 'handle', delivery.messageId);
    }
    reached('client.consumer.handled-before-settle');
    this.#progressAt = performance.now();
    this.#prefetch.handled(this.#progressAt - begunAt);
    this.#running.delete(delivery);
    this.#visibility.drop(delivery);
    // What the broker has refused to keep is with another consumer, or soon will be.
    if (!(delivery.loss instanceof ReceiptLost)) this.#settlements.add(delivery, verdict);
    this.#begin();
    this.#receiver.wake();
    if (this.#running.size === 0) this.#allEnded();
  }

  #lost(delivery: HeldDelivery): void {
    this.#waiting.delete(delivery);
    this.#counts.lost += 1;
    this.#report(delivery.loss as Error, 'settle', delivery.messageId);
    this.#receiver.wake();
  }

  async #stop(): Promise<void> {
    this.#stopping = true;
    this.#ending.abort();
    const endAt = performance.now() + this.#options.stopMs;
    // Given back only then: a call that still waits for messages would get them again.
    const givenBack = this.#receiver.stop().then(() => this.#giveBack(this.#waiting));
    await Promise.all([givenBack, this.#ended(endAt)]);
    this.#counts.lost += this.#running.size;
    await this.#settlements.drain(Math.max(endAt, performance.now() + lastEndsMs));
    this.#visibility.stop();
  }

  #giveBack(deliveries: Iterable<HeldDelivery>): void {
    for (const delivery of deliveries) {
      this.#waiting.delete(delivery);
      this.#visibility.drop(delivery);
      this.#settlements.add(delivery, { kind: 'release' });
    }
  }

  /** Resolves when no handler runs, or when the running ones have had their time. */
  async #ended(endAt: number): Promise<void> {
    if (this.#running.size === 0) return;
    const ended = new Promise<void>((resolve) => (this.#allEnded = resolve));
    const abort = setTimeout(() => this.#abortRunning(), endAt - performance.now());
    const leave = setTimeout(() => this.#allEnded(), endAt - performance.now() + lastEndsMs);
    await ended;
    clearTimeout(abort);
    clearTimeout(leave);
  }

  #abortRunning(): void {
    for (const delivery of this.#running) {
      delivery.lose(new ConsumerStopped(delivery.messageId));
      this.#report(delivery.loss as Error, 'handle', delivery.messageId);
    }
  }

  #report(error: Error, during: ConsumeFailure['during'], messageId?: string): void {
    const { topic, onError } = this.#options;
    tell({ topic, group: this.group, onError }, error, { during, ...(messageId !== undefined && { messageId }) });
  }
}

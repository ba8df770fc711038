import { bounds } from '../../message/bounds.js';
import { reached } from '../../message/step.js';
import type { HalfboxClient } from '../broker/halfbox-client.js';
import type { Ack, Nack, SettleResults } from '../contract.js';
import { BrokerRefused, BrokerUnreachable } from '../errors.js';
import { ReceiptLost } from './consume-errors.js';
import type { HeldDelivery } from './delivery-context.js';
import type { Verdict } from './failure.js';

/** Calls that settle at once, at most. */
const callsMax = 4;
const retryMsMin = 100;
const retryMsMax = 2_000;
/** However long a broker asks to wait: what ends meanwhile must be told in its time too. */
const triesPerVisibility = 8;

interface Ended {
  delivery: HeldDelivery;
  verdict: Verdict;
  /** A call that carried it may have been done: its answer was lost. */
  perhapsDone: boolean;
  tried: boolean;
}

/** Deliveries that end alike: one call tells the broker of up to 256. */
interface Alike {
  verdict: Verdict;
  waiting: Ended[];
  sending: boolean;
}

export interface SettlementListener {
  settled(count: number, kind: Verdict['kind']): void;
  /** The broker does not know how they ended and delivers them again. */
  lost(delivery: HeldDelivery, error: ReceiptLost): void;
  /** The first failure of a series; what it was about is tried again. */
  failed(error: Error): void;
}

/**
 * Tells the broker how deliveries ended. What ends while a call is under way goes into the next one, so that many
 * share one. A call that fails is made again until the receipts have expired, each at least once.
 */
export class Settlements {
  readonly #alike = new Map<string, Alike>();
  #count = 0;
  #calls = 0;
  #planned = false;
  #failures = 0;
  #retryAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #idle: (() => void)[] = [];

  constructor(
    private readonly at: { client: HalfboxClient; topic: string; group: string; visibilityMs: number },
    private readonly listener: SettlementListener,
  ) {}

  /** Deliveries that the broker does not know the end of. */
  get count(): number {
    return this.#count;
  }

  add(delivery: HeldDelivery, verdict: Verdict): void {
    const key = verdict.kind === 'ack' || verdict.kind === 'release' ? verdict.kind : JSON.stringify(verdict);
    let alike = this.#alike.get(key);
    if (alike === undefined) this.#alike.set(key, (alike = { verdict, waiting: [], sending: false }));
    alike.waiting.push({ delivery, verdict, perhapsDone: false, tried: false });
    this.#count += 1;
    this.#plan();
  }

  /** Resolves when everything is told or lost; what is not by then (monotonic clock) is given up. */
  async drain(deadline: number): Promise<void> {
    if (this.#count === 0) return;
    const idle = new Promise<void>((resolve) => this.#idle.push(resolve));
    const timer = setTimeout(() => this.#giveUp(), Math.max(0, deadline - performance.now()));
    await idle;
    clearTimeout(timer);
    clearTimeout(this.#timer);
  }

  /** Sends in a later turn: what ends in this one goes together. */
  #plan(): void {
    if (this.#planned) return;
    this.#planned = true;
    setImmediate(() => {
      this.#planned = false;
      this.#send();
    });
  }

  #send(): void {
    const waitMs = this.#retryAt - performance.now();
    if (waitMs > 0) {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#send(), Math.ceil(waitMs));
      return;
    }
    for (const [key, alike] of this.#alike) {
      if (this.#calls >= callsMax) return;
      if (alike.waiting.length === 0 && !alike.sending) this.#alike.delete(key);
      // While one is under way the next gathers, unless it is full already.
      if (alike.waiting.length === 0 || (alike.sending && alike.waiting.length < bounds.receiptsMax)) continue;
      void this.#call(alike, alike.waiting.splice(0, bounds.receiptsMax));
    }
  }

  async #call(alike: Alike, batch: Ended[]): Promise<void> {
    this.#calls += 1;
    alike.sending = true;
    try {
      const { results } = await this.#tell(
        alike.verdict,
        batch.map(({ delivery }) => delivery.receipt),
      );
      reached('client.consumer.settled');
      this.#failures = 0;
      this.#answered(alike.verdict.kind, batch, results);
    } catch (error) {
      this.#failed(alike, batch, error as Error);
    }
    alike.sending = false;
    this.#calls -= 1;
    this.#send();
  }

  #tell(verdict: Verdict, receipts: string[]): Promise<SettleResults> {
    const { client, topic, group } = this.at;
    if (verdict.kind === 'ack') return client.ack(topic, group, { receipts } satisfies Ack);
    const nack: Nack = { receipts };
    if (verdict.kind === 'release') nack.release = true;
    else nack.error = verdict.error;
    if (verdict.kind === 'reject') nack.deadLetter = true;
    if (verdict.kind === 'nack' && verdict.delayMs !== undefined) nack.delayMs = verdict.delayMs;
    return client.nack(topic, group, nack);
  }

  #answered(kind: Verdict['kind'], batch: Ended[], results: SettleResults['results']): void {
    const now = performance.now();
    let settled = 0;
    batch.forEach(({ delivery, perhapsDone }, index) => {
      const result = results[index];
      const ok = result !== undefined && 'ok' in result;
      // Refused as out of date before it can have expired: the call whose answer was lost has done it.
      if (ok || (perhapsDone && now < delivery.expiresAt)) settled += 1;
      else this.#lose(delivery, result?.problem.detail ?? 'the broker did not answer for it');
    });
    if (settled > 0) this.listener.settled(settled, kind);
    this.#less(batch.length);
  }

  #failed(alike: Alike, batch: Ended[], error: Error): void {
    const now = performance.now();
    if (this.#failures === 0) this.listener.failed(error);
    this.#failures += 1;
    const perhapsDone = error instanceof BrokerUnreachable ? error.mayBeDone : false;
    const again: Ended[] = [];
    for (const ended of batch) {
      ended.tried = true;
      ended.perhapsDone ||= perhapsDone;
      // A release that may have been done must not be repeated: it would take the delivery from its next consumer.
      const isOver = ended.verdict.kind === 'release' && perhapsDone;
      if (isHopeless(error) || isOver || now >= ended.delivery.expiresAt)
        this.#lose(ended.delivery, error.message, error);
      else again.push(ended);
    }
    this.#less(batch.length - again.length);
    alike.waiting.unshift(...again);
    const asked = error instanceof BrokerRefused ? error.retryAfterMs : undefined;
    const longestMs = Math.min(retryMsMax, this.at.visibilityMs / triesPerVisibility);
    const waitMs = Math.max(asked ?? 0, retryMsMin * 2 ** Math.min(this.#failures - 1, 10));
    this.#retryAt = now + Math.min(waitMs, longestMs);
  }

  #lose(delivery: HeldDelivery, why: string, cause?: unknown): void {
    this.listener.lost(delivery, new ReceiptLost(delivery.messageId, why, cause));
  }

  #giveUp(): void {
    for (const alike of this.#alike.values()) {
      const left = alike.waiting.splice(0);
      for (const { delivery } of left) this.#lose(delivery, 'the consumer stopped before the broker answered');
      this.#less(left.length);
    }
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #less(count: number): void {
    this.#count -= count;
    if (this.#count === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }
}

/** Whether the same call would be refused again, for ever. */
function isHopeless(error: Error): boolean {
  return error instanceof BrokerRefused && (error.status === 400 || error.code === 'subscription-not-found');
}

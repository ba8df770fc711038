import { setTimeout as delay } from 'node:timers/promises';
import { BrokerRefused, SendBufferFull } from '../errors.js';
import { Expiry } from './expiry.js';
import { Lane } from './lane.js';
import { Part, type Ending, type Parcel } from './part.js';
import { SendBudget } from './send-budget.js';
import { noCounts, type SendCounts } from './send-counts.js';
import type { SendOptions, SendSettings } from './send-settings.js';
import { isPassing, mayBeDone, type TryOutcome } from './try-outcome.js';

/** How one try is made. */
export interface TryOptions {
  /** By `performance.now()`; what has not been begun by then is postponed. */
  deadline: number;
  /** An endpoint that has just failed. */
  avoid: string | undefined;
  signal: AbortSignal;
}

/** Makes one try of a batch; the outcomes are in the order of the contents. */
export type TryBatch<Content, Result> = (
  contents: readonly Content[],
  options: TryOptions,
) => Promise<readonly TryOutcome<Result>[]>;

/** First wait between tries; three times as long each time. */
const backoffMs = 100;
const backoffMsMax = 3_000;

/**
 * Gathers what concurrent callers send into batches, tries failed ones again by the same ids, and answers each caller for
 * its own part. Parts that are ordered go in one batch at a time, tries included, so that none overtakes another.
 */
export class Gatherer<Content, Result> {
  readonly #live = new Set<Part<Content, Result>>();
  readonly #expiry = new Expiry(this.#live);
  readonly #budget: SendBudget<Part<Content, Result>>;
  readonly #ordered: Lane<Part<Content, Result>>;
  readonly #unordered: Lane<Part<Content, Result>>;
  readonly #ended = new AbortController();
  readonly #counts = { ...noCounts };
  #onIdle: (() => void)[] = [];

  constructor(
    private readonly tryBatch: TryBatch<Content, Result>,
    private readonly settings: SendSettings,
  ) {
    const { bufferItemsMax, bufferBytesMax } = settings;
    const bounds = { itemsMax: bufferItemsMax, bytesMax: bufferBytesMax };
    this.#budget = new SendBudget(bounds, (part) => this.#enter(part));
    const send = (batch: Part<Content, Result>[]) => this.#deliver(batch);
    this.#ordered = new Lane(send, { ...settings, inFlightMax: 1 });
    this.#unordered = new Lane(send, settings);
  }

  /** What was done so far and what waits now. */
  get counts(): SendCounts {
    return { ...this.#counts, waitingItems: this.#budget.items, waitingBytes: this.#budget.bytes };
  }

  /**
   * Sends a parcel; the ending is told once. `SendBufferFull` where there is no room within the time (at once where
   * `waits` is false, or too much waits already), `SendFailed` after the last try, `BrokerRefused` for a refusal.
   */
  add(
    parcel: Parcel<Content>,
    ending: Ending<Result>,
    { ordered = false, waits = true, timeoutMs, retries }: SendOptions & { ordered?: boolean; waits?: boolean } = {},
  ): void {
    const { settings } = this;
    const limits = { timeoutMs: timeoutMs ?? settings.timeoutMs, retries: retries ?? settings.retries, ordered };
    const part = new Part<Content, Result>(parcel, limits, ending, this.#onEnd);
    if (this.#budget.take(part)) {
      this.#enter(part);
    } else if (waits && this.#budget.wait(part)) {
      part.place = 'room';
    } else {
      part.fail(new SendBufferFull(`${settings.bufferItemsMax} items or ${settings.bufferBytesMax} bytes`));
      return;
    }
    this.#live.add(part);
    this.#expiry.watch(part);
  }

  /**
   * Waits until everything is sent, at most so long; what is left then fails with `SendFailed`. Nothing may be added after
   * it. Of several closes the one with the least time counts.
   */
  async close(timeoutMs: number): Promise<void> {
    if (this.#live.size > 0) {
      const idle = new Promise<void>((resolve) => this.#onIdle.push(resolve));
      const elapsed = delay(timeoutMs, undefined, { signal: this.#ended.signal }).catch(() => undefined);
      await Promise.race([idle, elapsed]);
    }
    for (const part of this.#live) part.giveUp(new Error('the producer was closed'));
    this.#ended.abort();
  }

  readonly #onEnd = (part: Part<Content, Result>, error: Error | undefined): void => {
    const counts = this.#counts;
    if (error === undefined) counts.done += part.size;
    else counts[error instanceof BrokerRefused ? 'refused' : 'failed'] += part.size;
    if (part.place === 'outside') return;
    this.#live.delete(part);
    if (part.place === 'buffer') this.#laneOf(part).remove(part);
    this.#budget.release(part);
    if (this.#live.size > 0) return;
    this.#expiry.rest();
    for (const resolve of this.#onIdle.splice(0)) resolve();
  };

  #enter(part: Part<Content, Result>): void {
    part.place = 'buffer';
    this.#laneOf(part).add(part);
  }

  #laneOf(part: Part<Content, Result>): Lane<Part<Content, Result>> {
    return part.limits.ordered ? this.#ordered : this.#unordered;
  }

  /** Tries the batch until each of its parts has ended. */
  async #deliver(batch: Part<Content, Result>[]): Promise<void> {
    let left = batch;
    let avoid: string | undefined;
    for (let round = 0; left.length > 0; round += 1) {
      const { waitMs, failedAt } = await this.#try(left, avoid, round);
      avoid = failedAt ?? avoid;
      left = left.filter(({ place }) => place !== 'ended');
      if (left.length === 0) return;
      const until = performance.now() + waitMs;
      for (const part of left) if (part.deadline <= until) part.giveUp();
      await delay(waitMs, undefined, { ref: false });
      left = left.filter(({ place }) => place !== 'ended');
    }
  }

  /** One try. Parts that may be tried again are left; the others have ended after it. */
  async #try(parts: Part<Content, Result>[], avoid: string | undefined, round: number) {
    const counts = this.#counts;
    counts.batches += 1;
    let size = 0;
    let deadline = 0;
    for (const part of parts) {
      part.place = 'under way';
      if (part.attempts > 0) counts.retries += part.size;
      part.attempts += 1;
      size += part.size;
      deadline = Math.max(deadline, part.deadline);
    }
    counts.batchedItems += size;
    counts.largestBatch = Math.max(counts.largestBatch, size);
    const contents = parts.map(({ content }) => content);
    const outcomes = await this.tryBatch(contents, { deadline, avoid, signal: this.#ended.signal });
    let waitMs = 0;
    let failedAt: string | undefined;
    parts.forEach((part, index) => {
      const outcome = outcomes[index]!;
      if (part.place === 'ended') return;
      if (outcome.kind === 'done') return part.succeed(outcome.result);
      part.place = 'buffer';
      if (outcome.kind === 'postponed') {
        part.attempts -= 1;
        return;
      }
      if (!isPassing(outcome.error)) return part.fail(outcome.error);
      failedAt = outcome.endpoint;
      waitMs = Math.max(waitMs, waitBefore(outcome.error, round));
      part.tryFailed(outcome.error, mayBeDone(outcome.error));
      if (!part.mayTryAgain) part.giveUp();
    });
    return { waitMs, failedAt };
  }
}

/** What the broker asks for, else a growing time; spread, so that clients do not come back all at once. */
function waitBefore(error: Error, round: number): number {
  const askedMs = error instanceof BrokerRefused ? error.retryAfterMs : undefined;
  if (askedMs !== undefined) return askedMs * (1 + Math.random() / 4);
  return Math.min(backoffMsMax, backoffMs * 3 ** round) * (0.5 + Math.random());
}

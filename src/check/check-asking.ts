import type { Clock } from '../message/clock.js';
import type { StoredMessage } from '../message/message.js';
import { Problem } from '../message/problem.js';
import { reached } from '../message/step.js';
import type { CheckAttempt, Resolution } from '../message/transaction.js';
import type { Logger } from '../runtime/logger.js';
import type { Producer, SigningSecrets } from '../store/catalog-store.js';
import type { CheckStore, ClaimedCheck } from '../store/check-store.js';
import type { CheckObserver } from './check-observer.js';
import type { CheckSettings } from './check-settings.js';
import type { CheckAnswer, ProducerAsker } from './producer-asker.js';
import type { AskableProducer } from './producer-directory.js';
import { backoffAfter, type Reachability } from './reachability.js';

/** Resolves a transaction by its producer's answer: `HalfStore.append` with `by: 'check'`. */
export type ResolveByCheck = (transactionId: string, resolution: Resolution) => Promise<unknown>;

export interface CheckAskingParts {
  store: CheckStore;
  /** `LaneStore.readMessages`. */
  readMessages: (ids: string[]) => Promise<Map<string, StoredMessage>>;
  resolve: ResolveByCheck;
  clock: Clock;
  settings: CheckSettings;
  logger: Logger;
  observer: CheckObserver;
}

/** One ask from the question to what is stored of it. */
export class CheckAsking {
  constructor(private readonly parts: CheckAskingParts) {}

  /**
   * Asks, notes whether the producer is reachable, stores the attempt, and resolves the transaction by the answer.
   * The attempt is stored first: should the broker die in between, the transaction is asked again. The answer resolves
   * also when the claim was lost meanwhile or the transaction was parked: it is the producer's word.
   */
  async ask(check: ClaimedCheck, { producer, secrets, asker }: AskableProducer, reach: Reachability): Promise<void> {
    const { store, clock, settings, observer } = this.parts;
    const { round } = reach;
    const at = clock.now();
    const startedAt = performance.now();
    const answer: CheckAnswer =
      producer && asker
        ? await this.#answerInTime(check, producer, secrets, asker)
        : { outcome: 'unreachable', error: 'the producer has no way to be asked' };
    const latencyMs = Math.round(performance.now() - startedAt);
    const answered = isAnswer(answer);
    if (answered) reached('check.answered-before-store');
    const now = clock.now();
    if (answered) reach.answered();
    else if (asker) reach.failed(round, now);
    observer.asked(answer.outcome, latencyMs);
    const attempt: CheckAttempt = { attempt: check.attempt, at, latencyMs, ...answer };
    const next = this.#next(check, answer, producer, reach, now);
    const stored = await store.record(check, attempt, next, settings.historyMax);
    reached('check.stored-before-resolve');
    if (stored && 'park' in next && check.state === 'prepared') this.#noteParked(check, answered);
    if (answer.outcome === 'commit' || answer.outcome === 'rollback') await this.#resolve(check, answer.outcome);
  }

  /** Parks a transaction that is too old and cannot be asked. */
  async park(check: ClaimedCheck, error: string): Promise<void> {
    const { store, clock, settings } = this.parts;
    const attempt: CheckAttempt = {
      attempt: check.attempt,
      at: clock.now(),
      outcome: 'unreachable',
      latencyMs: 0,
      error: `not asked: ${error}`,
    };
    if (await store.record(check, attempt, { park: true }, settings.historyMax)) this.#noteParked(check, false);
  }

  /** Whether the age limit is reached. */
  isTooOld(check: ClaimedCheck, now: number): boolean {
    return now - check.preparedAt >= this.parts.settings.checkAgeMaxMs;
  }

  async #answerInTime(
    check: ClaimedCheck,
    producer: Producer,
    secrets: SigningSecrets | null,
    asker: ProducerAsker,
  ): Promise<CheckAnswer> {
    const stored = await this.parts.readMessages(check.messageIds);
    const messages = check.messageIds.flatMap((id) => stored.get(id) ?? []);
    const question = { check, messages, askedAt: this.parts.clock.now() };
    const ending = new AbortController();
    const { checkTimeoutMs } = this.parts.settings;
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<CheckAnswer>((resolve) => {
      timer = setTimeout(() => {
        // Resolved before the asker hears of the end, so that its own words for it don't count.
        resolve({ outcome: 'timeout', error: `no answer within ${checkTimeoutMs} ms` });
        ending.abort();
      }, checkTimeoutMs);
    });
    const asked = asker.ask(question, producer, secrets, ending.signal).catch((error: unknown) => {
      // One that was told to end may say so by an error.
      if (!ending.signal.aborted) {
        this.parts.logger.error({ err: error, producer: check.producer }, 'asking a producer failed unexpectedly');
      }
      return { outcome: 'unreachable', error: 'asking failed unexpectedly' } satisfies CheckAnswer;
    });
    try {
      return await Promise.race([asked, timeout]);
    } finally {
      clearTimeout(timer);
    }
  }

  #next(
    check: ClaimedCheck,
    answer: CheckAnswer,
    producer: Producer | null,
    reach: Reachability,
    now: number,
  ): { dueAt: number } | { park: true } {
    const { settings } = this.parts;
    if (check.state === 'parked') return { park: true };
    const intervalMs = producer?.checkIntervalMs ?? settings.checkIntervalMs;
    const checkMax = producer?.checkMax ?? settings.checkMax;
    if (answer.outcome === 'commit' || answer.outcome === 'rollback') {
      // Should the resolution that follows fail, the transaction is asked again; not for ever, if a topic is gone.
      return check.answered >= checkMax && this.isTooOld(check, now) ? { park: true } : { dueAt: now + intervalMs };
    }
    if (this.isTooOld(check, now)) return { park: true };
    if (answer.outcome === 'unknown') {
      return check.answered + 1 >= checkMax ? { park: true } : { dueAt: now + intervalMs };
    }
    // Behind the others that wait for the producer, so that one transaction that it cannot answer keeps none of them.
    const ownBackoffMs = backoffAfter(Math.max(1, check.attempt - check.answered), settings);
    return { dueAt: Math.max(reach.openUntil, now + ownBackoffMs) + 1 };
  }

  #noteParked(check: ClaimedCheck, answered: boolean): void {
    reached('check.parked');
    const why = answered && !this.isTooOld(check, this.parts.clock.now()) ? 'unknown-answers' : 'age';
    const { transactionId, producer } = check;
    this.parts.logger.warn({ transactionId, producer, why }, 'a transaction was parked: its checks ran out');
    this.parts.observer.parked(why);
  }

  async #resolve({ transactionId, producer }: ClaimedCheck, resolution: Resolution): Promise<void> {
    try {
      await this.parts.resolve(transactionId, resolution);
    } catch (error) {
      if (!(error instanceof Problem) || !error.slug.startsWith('transaction-already-')) throw error;
      // Resolved otherwise while the producer was asked; a final state never changes.
      this.parts.observer.contradicted();
      const fields = { transactionId, producer, resolution, problem: error.slug };
      this.parts.logger.warn(fields, 'a producer answered against what its transaction already is');
    }
  }
}

function isAnswer({ outcome }: CheckAnswer): boolean {
  return outcome === 'commit' || outcome === 'rollback' || outcome === 'unknown';
}

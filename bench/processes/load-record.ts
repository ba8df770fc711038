import { Histogram } from '../histogram.js';
import type { Counts, Recorded } from '../measure.js';
import { preciseNow, serveCalls, type Calls } from './serve-calls.js';

/** What a load counts, and how its parent asks for it. */
export class LoadRecord {
  /** The parent has asked for the end: nothing new is begun. */
  halted = false;
  /** Times are taken between `begin` and `end` only. */
  recording = false;
  #committed = 0;
  #errors = 0;
  #firstError: string | undefined;
  #paused: { until: Promise<void>; end(): void } | undefined;
  readonly #prepareMs = new Histogram();
  readonly #commitMs = new Histogram();

  /** Resolves while the load may go on; undefined when that is at once. */
  get pause(): Promise<void> | undefined {
    return this.#paused?.until;
  }

  /** A prepare was answered that began at `startedAt` (see `preciseNow`). */
  prepared(startedAt: number): void {
    if (this.recording) this.#prepareMs.add(preciseNow() - startedAt);
  }

  /** Messages became visible by a commit, or a plain send, that was called at `calledAt`. */
  committed(calledAt: number, messages = 1): void {
    this.#committed += messages;
    if (this.recording) this.#commitMs.add(preciseNow() - calledAt);
  }

  failed(error: unknown): void {
    this.#errors += 1;
    this.#firstError ??= error instanceof Error ? error.message : String(error);
  }

  counts(): Counts {
    return {
      committed: this.#committed,
      errors: this.#errors,
      ...(this.#firstError !== undefined && { firstError: this.#firstError }),
    };
  }

  begin(): Counts {
    this.recording = true;
    return this.counts();
  }

  end(): Recorded {
    this.recording = false;
    return { ...this.counts(), prepareMs: this.#prepareMs.toJSON(), commitMs: this.#commitMs.toJSON() };
  }

  /**
   * Answers the parent from now on.
   * @param ended waits for what is under way once `halted` is set, and closes what the load has open
   */
  serve({ ended, gathered, calls }: { ended(): Promise<unknown>; gathered?: () => number; calls?: Calls }): void {
    serveCalls({
      begin: () => this.begin(),
      end: () => ({ ...this.end(), ...(gathered && { gathered: gathered() }) }),
      count: () => this.counts(),
      halt: async () => {
        this.halted = true;
        this.#resume();
        await ended();
        return this.counts();
      },
      pause: () => {
        let end = (): void => {};
        this.#paused ??= { until: new Promise((resolve) => (end = resolve)), end: () => end() };
      },
      resume: () => this.#resume(),
      ...calls,
    });
  }

  #resume(): void {
    this.#paused?.end();
    this.#paused = undefined;
  }
}

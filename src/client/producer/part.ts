import { SendBufferFull, SendFailed } from '../errors.js';
import type { Expiring } from './expiry.js';

/** What one caller wants sent, all or none. */
export interface Parcel<Content> {
  content: Content;
  /** Items of a gathered call that it takes. */
  size: number;
  bytes: number;
  /** Of its messages, or of its transaction. */
  ids: readonly string[];
}

/** How a part ended. */
export interface Ending<Result> {
  resolve(result: Result): void;
  reject(error: Error): void;
}

/** Bounds of a part. */
export interface PartLimits {
  timeoutMs: number;
  retries: number;
  /** It is sent after those of the same lane that were added before it. */
  ordered: boolean;
}

/** One caller's part of what is gathered: what it wants sent, until when, and how its tries went. It ends once. */
export class Part<Content, Result> implements Parcel<Content>, Expiring {
  readonly content: Content;
  readonly size: number;
  readonly bytes: number;
  readonly ids: readonly string[];
  readonly deadline: number;
  /** Where it is now; `outside`: not accepted; `room`: waiting for room in the buffer. */
  place: 'outside' | 'room' | 'buffer' | 'under way' | 'ended' = 'outside';
  /** Tries that were begun. */
  attempts = 0;
  /** A try ended so that it may have been done. */
  mayBeStored = false;
  #cause: unknown;

  /** @param onEnd told before the ending; the error is undefined when it was stored */
  constructor(
    { content, size, bytes, ids }: Parcel<Content>,
    readonly limits: PartLimits,
    private readonly ending: Ending<Result>,
    private readonly onEnd: (part: Part<Content, Result>, error: Error | undefined) => void,
  ) {
    this.content = content;
    this.size = size;
    this.bytes = bytes;
    this.ids = ids;
    this.deadline = performance.now() + limits.timeoutMs;
  }

  get mayTryAgain(): boolean {
    return this.attempts <= this.limits.retries;
  }

  succeed(result: Result): void {
    if (this.#end(undefined)) this.ending.resolve(result);
  }

  /** Ends it for a reason that another try would not change. */
  fail(error: Error): void {
    if (this.#end(error)) this.ending.reject(error);
  }

  /** Notes a try that failed and may be repeated. */
  tryFailed(cause: unknown, mayBeStored: boolean): void {
    this.#cause = cause;
    this.mayBeStored ||= mayBeStored;
  }

  /** Ends it without another try. */
  giveUp(cause: unknown = this.#cause): void {
    const mayBeStored = this.mayBeStored || this.place === 'under way';
    this.fail(new SendFailed(mayBeStored, this.ids, this.attempts, cause));
  }

  expire(): void {
    const { timeoutMs } = this.limits;
    if (this.place === 'room') this.fail(new SendBufferFull(`there was no room within ${timeoutMs} ms`));
    else this.giveUp(this.#cause ?? new Error(`no answer within ${timeoutMs} ms`));
  }

  #end(error: Error | undefined): boolean {
    if (this.place === 'ended') return false;
    this.onEnd(this, error);
    this.place = 'ended';
    return true;
  }
}

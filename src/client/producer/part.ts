import { SendBufferFull, SendFailed } from '../errors.js';

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

/** One caller's part of what is gathered: what it wants sent, until when, and how its tries went. It ends once. */
export class Part<Content, Result> implements Parcel<Content> {
  readonly content: Content;
  readonly size: number;
  readonly bytes: number;
  readonly ids: readonly string[];
  /** By `performance.now()`. */
  readonly deadline: number;
  /** Where it is now; `room`: before the buffer. */
  place: 'room' | 'buffer' | 'under way' | 'ended' = 'buffer';
  /** Tries that were begun. */
  attempts = 0;
  /** A try ended so that it may have been done. */
  mayBeStored = false;
  /** Told when it has ended. */
  onEnd: (part: this) => void = () => {};
  #cause: unknown;
  readonly #timer: NodeJS.Timeout;

  constructor(
    { content, size, bytes, ids }: Parcel<Content>,
    private readonly limits: { timeoutMs: number; retries: number },
    private readonly ending: Ending<Result>,
  ) {
    this.content = content;
    this.size = size;
    this.bytes = bytes;
    this.ids = ids;
    this.deadline = performance.now() + limits.timeoutMs;
    this.#timer = setTimeout(() => this.#expire(), limits.timeoutMs);
  }

  get mayTryAgain(): boolean {
    return this.attempts <= this.limits.retries;
  }

  succeed(result: Result): void {
    if (this.#end()) this.ending.resolve(result);
  }

  /** Ends it for a reason that another try would not change. */
  fail(error: Error): void {
    if (this.#end()) this.ending.reject(error);
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

  #expire(): void {
    const { timeoutMs } = this.limits;
    if (this.place === 'room') return this.fail(new SendBufferFull(`there was no room within ${timeoutMs} ms`));
    this.giveUp(this.#cause ?? new Error(`no answer within ${timeoutMs} ms`));
  }

  #end(): boolean {
    if (this.place === 'ended') return false;
    clearTimeout(this.#timer);
    this.onEnd(this);
    this.place = 'ended';
    return true;
  }
}

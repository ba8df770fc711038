import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import type { CallAnswer } from './caller.js';

type Answer = Pick<CallAnswer, 'status' | 'text' | 'retryAfterMs'>;

/**
 * One request and its answer, as undici tells of them. It reads the answer itself: a stream for it, as `request` makes,
 * costs as much as all the rest of a call. It ends once.
 */
export class HttpExchange implements Dispatcher.DispatchHandler {
  /** Rejects with why none came. */
  readonly answer: Promise<Answer>;
  #resolve!: (answer: Answer) => void;
  #reject!: (error: unknown) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #status = 0;
  #retryAfterMs: number | undefined;
  readonly #parts: Buffer[] = [];
  #bytes = 0;
  #isOver = false;
  #overBecause: Error | undefined;

  /** @param answerBytesMax a larger answer is refused */
  constructor(private readonly answerBytesMax: number) {
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** False: no byte of the request was sent. */
  get hasBegun(): boolean {
    return this.#controller !== undefined;
  }

  /** Ends it without its answer; the request is not sent where that has not begun. */
  giveUp(reason: unknown): void {
    if (this.#isOver) return;
    const error = reason instanceof Error ? reason : new Error(String(reason));
    this.#overBecause = error;
    this.#fail(error);
    this.#controller?.abort(error);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#overBecause) return controller.abort(this.#overBecause);
    this.#controller = controller;
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    this.#status = status;
    this.#retryAfterMs = waitOf(headers['retry-after']);
  }

  onResponseData(_controller: Dispatcher.DispatchController, part: Buffer): void {
    this.#bytes += part.length;
    if (this.#bytes > this.answerBytesMax) {
      return this.giveUp(new Error(`the answer is larger than ${this.answerBytesMax} bytes`));
    }
    this.#parts.push(part);
  }

  onResponseEnd(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const bytes = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
    try {
      const text = bytes.toString('utf8');
      this.#resolve({ status: this.#status, text, retryAfterMs: this.#retryAfterMs });
    } catch (error) {
      this.#reject(error); // longer than a text can be
    }
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#fail(error);
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#parts.length = 0;
    this.#reject(error);
  }
}

/** `Retry-After` in milliseconds: whole seconds, or a date as proxies write it. */
function waitOf(header: string | string[] | undefined): number | undefined {
  if (typeof header !== 'string') return undefined;
  const waitMs = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - Date.now();
  return Number.isFinite(waitMs) ? Math.max(0, waitMs) : undefined;
}

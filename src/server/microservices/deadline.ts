import { MicroserviceFailure } from '../../callback/microservice-failure.js';

/** The time of one call over all its steps. To be ended, so that no timer is left. */
export class Deadline {
  readonly #over: Promise<never>;
  readonly #ending = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #step = 'not done in time';

  /** @param signal ends it early */
  constructor(
    timeoutMs: number,
    private readonly signal?: AbortSignal,
  ) {
    this.#over = new Promise((_, reject) => {
      this.#ending.signal.addEventListener('abort', () => reject(new MicroserviceFailure('timeout', this.#step)));
    });
    // Looked at only while a step is under way.
    this.#over.catch(() => undefined);
    this.#timer = setTimeout(this.#abort, timeoutMs);
    signal?.addEventListener('abort', this.#abort);
    if (signal?.aborted) this.#abort();
  }

  /** Aborted when the time is over or the call was ended. */
  get over(): AbortSignal {
    return this.#ending.signal;
  }

  /** Waits for a step as long as there is time. @throws MicroserviceFailure `timeout` with that text */
  bound<Value>(step: Promise<Value>, text: string): Promise<Value> {
    this.#step = text;
    return Promise.race([step, this.#over]);
  }

  end(): void {
    clearTimeout(this.#timer);
    this.signal?.removeEventListener('abort', this.#abort);
  }

  readonly #abort = (): void => this.#ending.abort();
}

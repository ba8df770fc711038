import { Client, type Dispatcher } from 'undici';
import { preciseNow, serveCalls, workerOptions } from './serve-calls.js';

/** Closed-loop load: each connection prepares one transaction, commits it, and goes on. */
const options = workerOptions<{ url: string; connections: number; bodyBytes: number; run: string }>();

const padding = 'x'.repeat(options.bodyBytes - 32);
const jsonHeaders = ['content-type', 'application/json'];
let sequence = 0;
let committed = 0;
let errors = 0;
let recording = false;
let halted = false;
const prepareMs: number[] = [];
const commitMs: number[] = [];

/** One connection with one request under way. It listens to its own requests: an object and a promise for each would be dearer. */
class Caller implements Dispatcher.DispatchHandler {
  readonly ended: Promise<void>;
  readonly #client = new Client(options.url, { pipelining: 1 });
  #markEnded = (): void => {};
  #id = '';
  #commits = false;
  #sentAt = 0;
  #status = 0;

  constructor() {
    this.ended = new Promise((resolve) => (this.#markEnded = resolve));
    this.#prepare();
  }

  onRequestStart(): void {}

  onResponseStart(_controller: unknown, status: number): void {
    this.#status = status;
  }

  onResponseData(): void {}

  onResponseEnd(): void {
    if (recording) (this.#commits ? commitMs : prepareMs).push(preciseNow() - this.#sentAt);
    if (this.#status !== (this.#commits ? 200 : 201)) errors += 1;
    else if (this.#commits) committed += 1;
    if (!this.#commits) this.#commit();
    else if (halted) this.#end();
    else this.#prepare();
  }

  onResponseError(): void {
    errors += 1;
    this.#end();
  }

  #prepare(): void {
    this.#commits = false;
    this.#id = `${options.run}-${(sequence += 1)}`;
    const sentAt = (this.#sentAt = preciseNow());
    const message = `{"topic":"bench","body":{"t":${sentAt},"p":"${padding}"}}`;
    const body = `{"id":"${this.#id}","producer":"bench","messages":[${message}]}`;
    this.#client.dispatch({ method: 'POST', path: '/v1/transactions', headers: jsonHeaders, body }, this);
  }

  #commit(): void {
    this.#commits = true;
    this.#sentAt = preciseNow();
    this.#client.dispatch({ method: 'POST', path: `/v1/transactions/${this.#id}/commit` }, this);
  }

  #end(): void {
    void this.#client.close().then(this.#markEnded);
  }
}

const callers = Array.from({ length: options.connections }, () => new Caller());

serveCalls({
  begin: () => {
    recording = true;
    return { committed, errors };
  },
  end: () => {
    recording = false;
    return { committed, errors, prepareMs, commitMs };
  },
  halt: async () => {
    halted = true;
    await Promise.all(callers.map(({ ended }) => ended));
    return { committed, errors };
  },
});

import { HttpLine, type LineListener } from './http-line.js';
import { preciseNow, serveCalls, workerOptions } from './serve-calls.js';

/** Closed-loop load: each connection prepares one transaction, commits it, and goes on. */
const options = workerOptions<{ url: string; connections: number; bodyBytes: number; run: string }>();

const padding = 'x'.repeat(options.bodyBytes - 32);
let sequence = 0;
let committed = 0;
let errors = 0;
let recording = false;
let halted = false;
const prepareMs: number[] = [];
const commitMs: number[] = [];

/** One connection with one request under way. */
class Caller implements LineListener {
  readonly ended: Promise<void>;
  readonly #line = new HttpLine(options.url, this);
  #markEnded = (): void => {};
  #id = '';
  #commits = false;
  #sentAt = 0;

  constructor() {
    this.ended = new Promise((resolve) => (this.#markEnded = resolve));
    this.#prepare();
  }

  answered(status: number): void {
    if (recording) (this.#commits ? commitMs : prepareMs).push(preciseNow() - this.#sentAt);
    if (status !== (this.#commits ? 200 : 201)) errors += 1;
    else if (this.#commits) committed += 1;
    if (!this.#commits) this.#commit();
    else if (halted) this.#end();
    else this.#prepare();
  }

  broken(): void {
    errors += 1;
    this.#end();
  }

  #prepare(): void {
    this.#commits = false;
    this.#id = `${options.run}-${(sequence += 1)}`;
    const sentAt = (this.#sentAt = preciseNow());
    const message = `{"topic":"bench","body":{"t":${sentAt},"p":"${padding}"}}`;
    this.#line.post('/v1/transactions', `{"id":"${this.#id}","producer":"bench","messages":[${message}]}`);
  }

  #commit(): void {
    this.#commits = true;
    this.#sentAt = preciseNow();
    this.#line.post(`/v1/transactions/${this.#id}/commit`);
  }

  #end(): void {
    this.#line.close();
    this.#markEnded();
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

import { randomUUID } from 'node:crypto';
import { HttpLine, type LineListener } from './http-line.js';
import { LoadRecord } from './load-record.js';
import { MessageShape, type Shape } from './message-shape.js';
import { preciseNow, workerOptions } from './serve-calls.js';

/** Closed-loop load: each connection prepares one transaction, commits it, and goes on. */
const options = workerOptions<{ urls: string[]; connections: number; shape: Shape }>();

const run = randomUUID().slice(0, 8);
const shape = new MessageShape(options.shape);
const record = new LoadRecord();

/** One connection with one request under way. */
class Caller implements LineListener {
  readonly ended: Promise<void>;
  readonly #line: HttpLine;
  #markEnded = (): void => {};
  #id = '';
  #commits = false;
  #sentAt = 0;

  constructor(url: string) {
    this.#line = new HttpLine(url, this);
    this.ended = new Promise((resolve) => (this.#markEnded = resolve));
    this.#prepare();
  }

  answered(status: number): void {
    if (status !== (this.#commits ? 200 : 201)) {
      record.failed(`${this.#commits ? 'commit' : 'prepare'}: answered ${status}`);
      this.#commits = true;
    } else if (this.#commits) record.committed(this.#sentAt);
    else record.prepared(this.#sentAt);
    if (!this.#commits) this.#commit();
    else if (record.halted) this.#end();
    else this.#prepare();
  }

  broken(error: Error): void {
    record.failed(error);
    this.#end();
  }

  #prepare(): void {
    this.#commits = false;
    const number = shape.next();
    this.#id = `${run}-${number}`;
    this.#sentAt = preciseNow();
    const body = `{"id":"${this.#id}","producer":"bench","messages":[${shape.text(number, this.#sentAt)}]}`;
    this.#line.post('/v1/transactions', body);
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

const callers = Array.from(
  { length: options.connections },
  (_, index) => new Caller(options.urls[index % options.urls.length]!),
);

record.serve({ ended: () => Promise.all(callers.map(({ ended }) => ended)) });

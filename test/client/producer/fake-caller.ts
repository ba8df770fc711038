import type { Call, CallAnswer, Caller } from '../../../src/client/index.js';
import { BrokerUnreachable } from '../../../src/client/index.js';

interface SentMessage {
  id: string;
  topic: string;
  body: unknown;
}

/** A call that waits for its answer. */
export class HeldCall {
  readonly messages: SentMessage[];

  constructor(
    readonly call: Call,
    private readonly resolve: (answer: CallAnswer) => void,
    private readonly reject: (error: Error) => void,
  ) {
    this.messages = (JSON.parse(call.bodyText ?? '{}') as { messages?: SentMessage[] }).messages ?? [];
  }

  /** Answers that all its messages are stored. */
  store(): void {
    const messages = this.messages.map(({ id, topic }) => ({ id, topic, shard: 0, offset: 0 }));
    this.resolve({ status: 201, text: JSON.stringify({ messages }), endpoint: 'http://one' });
  }

  refuse(status: number, code: string, retryAfterMs?: number): void {
    const text = JSON.stringify({ type: `urn:halfbox:problem:${code}`, title: code, status, detail: 'as told' });
    this.resolve({ status, text, retryAfterMs, endpoint: 'http://one' });
  }

  lose(mayBeDone: boolean): void {
    this.reject(new BrokerUnreachable('http://one', mayBeDone, new Error('as told')));
  }
}

/** A way to a broker whose answers a test gives one by one. */
export class FakeCaller implements Caller {
  /** Every call, in order. */
  readonly calls: Call[] = [];
  readonly #held: HeldCall[] = [];
  readonly #takers: ((held: HeldCall) => void)[] = [];

  call(call: Call): Promise<CallAnswer> {
    this.calls.push(call);
    return new Promise((resolve, reject) => {
      const held = new HeldCall(call, resolve, reject);
      call.signal?.addEventListener('abort', () => held.lose(true));
      const take = this.#takers.shift();
      if (take) take(held);
      else this.#held.push(held);
    });
  }

  /** The next call, when it has been made. */
  next(): Promise<HeldCall> {
    const held = this.#held.shift();
    return held ? Promise.resolve(held) : new Promise((resolve) => this.#takers.push(resolve));
  }

  async close(): Promise<void> {}
}

import type { ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import type { DirectAnswer, DirectCall, DirectCalls } from '../api/direct-calls.js';
import { requestTooLarge } from '../api/edge-problems.js';
import { parseJsonText } from '../api/json-parser.js';
import { boundCall } from '../client/broker/call-bound.js';
import { bodyTextOf, type Call, type CallAnswer, type Caller } from '../client/broker/caller.js';
import { BrokerUnreachable } from '../client/errors.js';
import type { Caller as Principal } from '../config/api-keys.js';
import { bounds } from '../message/bounds.js';
import { Events } from '../runtime/events.js';

/** Names a call to the hook that connects it with its answer. */
const callHeader = 'halfbox-call';

interface CallUnderWay {
  response: ServerResponse | undefined;
  /** Why its caller does not wait any more. */
  givenUp: unknown;
}

/** A call that only waits for deliveries: nothing is being done meanwhile. */
const waitsForDeliveries = /\/receive$/;

/**
 * Calls the broker of this process, without a socket: the same validation, answers and problems as over HTTP. It may do
 * everything, whatever the API keys are.
 */
export class EmbeddedCaller implements Caller {
  /** `ended`: one call has ended. */
  readonly events = new Events<{ ended: undefined }>();
  /** The shorter way of the calls that every message makes, and who makes them. */
  direct: { calls: DirectCalls; caller: Principal } | undefined;
  readonly #inHand = new Set<Promise<unknown>>();
  readonly #underWay = new Map<string, CallUnderWay>();
  #calls = 0;
  #working = 0;
  #closed = false;

  /**
   * @param server not ready yet: it gets a hook
   * @param grant secret by which the API knows the calls of its own process
   */
  constructor(
    private readonly server: FastifyInstance,
    private readonly grant: string,
  ) {
    server.addHook('onRequest', ({ headers }, reply, done) => {
      if (headers[callHeader] !== undefined) this.#begin(headers[callHeader], headers.authorization, reply.raw);
      done();
    });
    server.addHook('preClose', (done) => {
      this.#closed = true;
      done();
    });
  }

  /** Calls under way that are not just waiting for deliveries. */
  get working(): number {
    return this.#working;
  }

  async call(call: Call): Promise<CallAnswer> {
    const working = !waitsForDeliveries.test(call.path);
    if (working) this.#working += 1;
    const answering = this.#answer(call);
    this.#inHand.add(answering);
    try {
      return await answering;
    } finally {
      this.#inHand.delete(answering);
      if (working) this.#working -= 1;
      this.events.emit('ended', undefined);
    }
  }

  /** Resolves when the calls in hand have ended. There are no connections; the broker goes on. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#inHand);
  }

  #answer(call: Call): Promise<CallAnswer> {
    if (call.signal?.aborted) return Promise.reject(unanswered(false, call.signal.reason));
    if (this.#closed) return Promise.reject(unanswered(false, new Error('the broker is closed')));
    const begun = this.#beginDirectly(call);
    return begun ? answerOf(begun, call) : this.#inject(call);
  }

  #beginDirectly(call: Call): DirectCall | undefined {
    if (!this.direct) return undefined;
    const { calls, caller } = this.direct;
    return calls.begin(call.method, call.path, {
      headers: {},
      admit: (request) => {
        request.caller = caller;
      },
      readBody: () => readBody(bodyTextOf(call)),
    });
  }

  async #inject(call: Call): Promise<CallAnswer> {
    const { method, path, timeoutMs, signal } = call;
    const payload = bodyTextOf(call);
    const name = String((this.#calls += 1));
    const under: CallUnderWay = { response: undefined, givenUp: undefined };
    const giveUp = (reason: unknown): void => {
      under.givenUp ??= reason;
      under.response?.destroy();
    };
    const onAbort = (): void => giveUp(signal?.reason);
    const timer = setTimeout(() => giveUp(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    this.#underWay.set(name, under);
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      signal?.throwIfAborted();
      const answer = await this.server.inject({
        method,
        url: path,
        headers: {
          authorization: `Bearer ${this.grant}`,
          [callHeader]: name,
          ...(payload !== undefined && { 'content-type': 'application/json' }),
        },
        ...(payload !== undefined && { payload }),
      });
      const retryAfter = answer.headers['retry-after'];
      return {
        status: answer.statusCode,
        text: answer.payload,
        ...(retryAfter !== undefined && { retryAfterMs: Number(retryAfter) * 1_000 }),
      };
    } catch (error) {
      const begun = under.response !== undefined;
      throw unanswered(begun, under.givenUp ?? error);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      this.#underWay.delete(name);
    }
  }

  /** Where a call ends early, the broker must hear of it: what it waits for is then not taken for nobody. */
  #begin(name: unknown, authorization: string | undefined, response: ServerResponse): void {
    const under = authorization === `Bearer ${this.grant}` ? this.#underWay.get(String(name)) : undefined;
    if (!under) return;
    under.response = response;
    if (under.givenUp !== undefined) response.destroy();
  }
}

function readBody(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  if (Buffer.byteLength(text) > bounds.requestBytesMax) throw requestTooLarge();
  return parseJsonText(text);
}

/** Waits for the answer within the call's bounds. */
async function answerOf(begun: DirectCall, call: Call): Promise<CallAnswer> {
  let end: (() => void) | undefined;
  const over = new Promise<never>((_resolve, reject) => {
    end = boundCall(call, (reason) => {
      begun.leave();
      reject(unanswered(true, reason));
    });
  });
  try {
    return new LocalAnswer(await Promise.race([begun.answer, over]));
  } finally {
    end?.();
  }
}

function unanswered(begun: boolean, reason: unknown): BrokerUnreachable {
  return new BrokerUnreachable('the broker of this process', begun, reason);
}

/** An answer whose text is only made for who asks for it. */
class LocalAnswer implements CallAnswer {
  readonly status: number;
  readonly value: unknown;
  readonly retryAfterMs?: number;
  readonly #text: string | undefined;

  constructor({ status, value, text, headers }: DirectAnswer) {
    this.status = status;
    this.value = value;
    this.#text = text;
    const retryAfter = headers['retry-after'];
    if (retryAfter !== undefined) this.retryAfterMs = Number(retryAfter) * 1_000;
  }

  get text(): string {
    return this.#text ?? JSON.stringify(this.value);
  }
}

import type { FastifyInstance } from 'fastify';
import { bodyTextOf, type Call, type CallAnswer, type Caller } from '../client/broker/caller.js';
import { BrokerUnreachable } from '../client/errors.js';
import { Events } from '../runtime/events.js';

/** A call that only waits for deliveries: nothing is being done meanwhile. */
const waitsForDeliveries = /\/receive$/;

/**
 * Calls the broker of this process, without a socket: the same validation, answers and problems as over HTTP. It may do
 * everything, whatever the API keys are.
 */
export class EmbeddedCaller implements Caller {
  /** `ended`: one call has ended. */
  readonly events = new Events<{ ended: undefined }>();
  readonly #inHand = new Set<Promise<unknown>>();
  #working = 0;

  /** @param grant secret by which the API knows the calls of its own process */
  constructor(
    private readonly server: FastifyInstance,
    private readonly grant: string,
  ) {}

  /** Calls under way that are not just waiting for deliveries. */
  get working(): number {
    return this.#working;
  }

  async call(call: Call): Promise<CallAnswer> {
    const working = !waitsForDeliveries.test(call.path);
    if (working) this.#working += 1;
    const answering = this.#inject(call);
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

  async #inject(call: Call): Promise<CallAnswer> {
    const { method, path, timeoutMs, signal } = call;
    const payload = bodyTextOf(call);
    const timeout = AbortSignal.timeout(timeoutMs);
    const ending = signal ? AbortSignal.any([signal, timeout]) : timeout;
    try {
      const answer = await this.server.inject({
        method,
        url: path,
        signal: ending,
        headers: {
          authorization: `Bearer ${this.grant}`,
          ...(payload !== undefined && { 'content-type': 'application/json' }),
        },
        ...(payload !== undefined && { payload }),
      });
      // What is answered to a caller that has given up is about its going.
      ending.throwIfAborted();
      const retryAfter = answer.headers['retry-after'];
      return {
        status: answer.statusCode,
        text: answer.payload,
        ...(retryAfter !== undefined && { retryAfterMs: Number(retryAfter) * 1_000 }),
      };
    } catch (error) {
      const closed = (error as { code?: unknown }).code === 'FST_ERR_REOPENED_CLOSE_SERVER';
      throw new BrokerUnreachable('the broker of this process', !closed, error);
    }
  }
}

import { Agent } from 'undici';
import { BrokerUnreachable } from '../errors.js';
import { boundCall } from './call-bound.js';
import { bodyTextOf, type Call, type CallAnswer, type Caller } from './caller.js';
import { HttpExchange } from './http-exchange.js';

export interface HttpCallerOptions {
  /** `http://127.0.0.1:3900` */
  url: string;
  /** Sent as `Authorization: Bearer …`. */
  apiKey?: string | undefined;
  /** Connections to the broker at most; calls beyond them wait. Default 64. */
  connectionsMax?: number | undefined;
  /** Bound of opening a connection. Default 2,000. */
  connectTimeoutMs?: number | undefined;
  /** Largest answer that is read. Default 512 MiB, as much as a text can hold; what is received is bounded by what it asks for. */
  answerBytesMax?: number | undefined;
}

const answerBytesMaxDefault = 512 * 1024 * 1024;

/** Calls one broker over HTTP, on connections that are kept open. */
export class HttpCaller implements Caller {
  readonly #agent: Agent;
  readonly #url: string;
  readonly #headers: Record<string, string>;
  readonly #headersWithBody: Record<string, string>;
  readonly #answerBytesMax: number;
  #closing: Promise<void> | undefined;

  constructor(options: HttpCallerOptions) {
    const { url, apiKey, connectionsMax = 64, connectTimeoutMs = 2_000 } = options;
    this.#url = url;
    this.#answerBytesMax = options.answerBytesMax ?? answerBytesMaxDefault;
    this.#headers = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
    this.#headersWithBody = { ...this.#headers, 'content-type': 'application/json' };
    // Not a pool: an agent closes connections that it made anew after it had lost all, where nothing needs them any more.
    this.#agent = new Agent({
      connections: connectionsMax,
      connect: { timeout: connectTimeoutMs },
      // The bound of each call holds; undici's own of 300 s would cut longer ones.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  async call(call: Call): Promise<CallAnswer> {
    const { method, path } = call;
    const body = bodyTextOf(call);
    const exchange = new HttpExchange(this.#answerBytesMax);
    const end = boundCall(call, (reason) => exchange.giveUp(reason));
    try {
      const headers = body === undefined ? this.#headers : this.#headersWithBody;
      this.#agent.dispatch({ origin: this.#url, method, path, headers, ...(body !== undefined && { body }) }, exchange);
      const { status, text, retryAfterMs } = await exchange.answer;
      return { status, text, retryAfterMs, endpoint: this.#url };
    } catch (error) {
      throw new BrokerUnreachable(this.#url, exchange.hasBegun, error);
    } finally {
      end();
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#agent.close();
    return this.#closing;
  }
}

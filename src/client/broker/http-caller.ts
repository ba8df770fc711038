import { Agent, request } from 'undici';
import { BrokerUnreachable } from '../errors.js';
import type { Call, CallAnswer, Caller } from './caller.js';

export interface HttpCallerOptions {
  /** `http://127.0.0.1:3900` */
  url: string;
  /** Sent as `Authorization: Bearer …`. */
  apiKey?: string | undefined;
  /** Connections to the broker at most. Default 64. */
  connectionsMax?: number | undefined;
}

/** Calls one broker over HTTP. */
export class HttpCaller implements Caller {
  readonly #agent: Agent;

  constructor(private readonly options: HttpCallerOptions) {
    this.#agent = new Agent({ connections: options.connectionsMax ?? 64 });
  }

  async call({ method, path, body, timeoutMs, signal }: Call): Promise<CallAnswer> {
    const { url, apiKey } = this.options;
    const timeout = AbortSignal.timeout(timeoutMs);
    try {
      const response = await request(new URL(path, url), {
        method,
        dispatcher: this.#agent,
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
        headers: {
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      const retryAfter = response.headers['retry-after'];
      return {
        status: response.statusCode,
        text: await response.body.text(),
        ...(typeof retryAfter === 'string' && { retryAfterMs: Number(retryAfter) * 1_000 }),
      };
    } catch (error) {
      throw new BrokerUnreachable(url, mayBeDone(error), error);
    }
  }

  close(): Promise<void> {
    return this.#agent.close();
  }
}

/** Errors that say that no byte of the request was sent. */
const notSent = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT']);

function mayBeDone(error: unknown): boolean {
  return !notSent.has((error as NodeJS.ErrnoException).code ?? '');
}

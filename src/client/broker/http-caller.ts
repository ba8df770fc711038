import { Agent, request } from 'undici';
import { BrokerUnreachable } from '../errors.js';
import { boundOf } from './call-bound.js';
import { bodyTextOf, type Call, type CallAnswer, type Caller } from './caller.js';

export interface HttpCallerOptions {
  /** `http://127.0.0.1:3900` */
  url: string;
  /** Sent as `Authorization: Bearer …`. */
  apiKey?: string | undefined;
  /** Connections to the broker at most; calls beyond them wait. Default 64. */
  connectionsMax?: number | undefined;
  /** Bound of opening a connection. Default 2,000. */
  connectTimeoutMs?: number | undefined;
}

/** Calls one broker over HTTP, on connections that are kept open. */
export class HttpCaller implements Caller {
  readonly #agent: Agent;
  readonly #url: string;
  readonly #authorization: { authorization?: string };

  constructor({ url, apiKey, connectionsMax = 64, connectTimeoutMs = 2_000 }: HttpCallerOptions) {
    this.#url = url;
    this.#authorization = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
    this.#agent = new Agent({ connections: connectionsMax, connect: { timeout: connectTimeoutMs } });
  }

  async call(call: Call): Promise<CallAnswer> {
    const body = bodyTextOf(call);
    const bound = boundOf(call);
    try {
      const response = await request(new URL(call.path, this.#url), {
        method: call.method,
        dispatcher: this.#agent,
        signal: bound.signal,
        headers: { ...this.#authorization, ...(body !== undefined && { 'content-type': 'application/json' }) },
        ...(body !== undefined && { body }),
        // The signal bounds the call; undici's own bounds of 300 s would cut longer ones.
        headersTimeout: 0,
        bodyTimeout: 0,
      });
      const retryAfterMs = waitOf(response.headers['retry-after']);
      const text = await response.body.text();
      return { status: response.statusCode, text, retryAfterMs, endpoint: this.#url };
    } catch (error) {
      throw new BrokerUnreachable(this.#url, mayBeDone(error), error);
    } finally {
      bound.end();
    }
  }

  close(): Promise<void> {
    return this.#agent.close();
  }
}

/** `Retry-After` in milliseconds: whole seconds, or a date as proxies write it. */
function waitOf(header: string | string[] | undefined): number | undefined {
  if (typeof header !== 'string') return undefined;
  const waitMs = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - Date.now();
  return Number.isFinite(waitMs) ? Math.max(0, waitMs) : undefined;
}

/** Errors that say that no byte of the request was sent. */
const notSent = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

function mayBeDone(error: unknown): boolean {
  return !notSent.has((error as NodeJS.ErrnoException).code ?? '');
}

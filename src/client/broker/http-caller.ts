import { Agent, request, type Dispatcher } from 'undici';
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
  /** Largest answer that is read. Default 512 MiB, as much as a text can hold; what is received is bounded by what it asks for. */
  answerBytesMax?: number | undefined;
}

const answerBytesMaxDefault = 512 * 1024 * 1024;

/** Calls one broker over HTTP, on connections that are kept open. */
export class HttpCaller implements Caller {
  readonly #agent: Agent;
  readonly #url: string;
  readonly #authorization: { authorization?: string };
  readonly #answerBytesMax: number;
  #closing: Promise<void> | undefined;

  constructor(options: HttpCallerOptions) {
    const { url, apiKey, connectionsMax = 64, connectTimeoutMs = 2_000 } = options;
    this.#url = url;
    this.#answerBytesMax = options.answerBytesMax ?? answerBytesMaxDefault;
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
      const text = await textOf(response, this.#answerBytesMax);
      return { status: response.statusCode, text, retryAfterMs, endpoint: this.#url };
    } catch (error) {
      throw new BrokerUnreachable(this.#url, mayBeDone(error), error);
    } finally {
      bound.end();
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#agent.close();
    return this.#closing;
  }
}

/** The body of an answer. Throws where it is too large. */
async function textOf({ body, headers }: Dispatcher.ResponseData, bytesMax: number): Promise<string> {
  // What says its length, as brokers do, has no more than that.
  if (Number(headers['content-length']) <= bytesMax) return body.text();
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of body as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > bytesMax) throw new Error(`the answer is larger than ${bytesMax} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** `Retry-After` in milliseconds: whole seconds, or a date as proxies write it. */
function waitOf(header: string | string[] | undefined): number | undefined {
  if (typeof header !== 'string') return undefined;
  const waitMs = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - Date.now();
  return Number.isFinite(waitMs) ? Math.max(0, waitMs) : undefined;
}

/** Errors that say that there is no connection, where they come from making one. */
const notConnected = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);
/** Steps of making a connection. Later ones may fail for the same reasons, when a network breaks apart. */
const connecting = new Set(['connect', 'getaddrinfo']);

/** False when no byte of the request was sent. */
function mayBeDone(error: unknown): boolean {
  const { code = '', syscall = '', errors } = error as NodeJS.ErrnoException & { errors?: unknown };
  if (code === 'UND_ERR_CONNECT_TIMEOUT') return false;
  // One for each address of a host.
  if (Array.isArray(errors) && errors.length > 0) return errors.some(mayBeDone);
  return !(notConnected.has(code) && connecting.has(syscall));
}

import type { Agent, Dispatcher } from 'undici';
import { TargetNotAllowed, type TargetGuard } from './target-guard.js';

/** Bounds of every call. */
export interface CallbackBounds {
  /** Bytes of an answer's body that are read. Default 64 KiB. */
  answerBytesMax: number;
  /** Bytes of an answer's headers. Default 16 KiB. */
  headerBytesMax: number;
  /** Connections to one origin. Default 128. */
  connectionsPerOriginMax: number;
}

export const defaultCallbackBounds: CallbackBounds = {
  answerBytesMax: 64 * 1024,
  headerBytesMax: 16 * 1024,
  connectionsPerOriginMax: 128,
};

/** What came back: the status, the headers, and the body as far as it was read. */
export interface CallbackAnswer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
  /** Why the body is not whole, where it is not. */
  cutShort?: 'too-large' | 'timeout' | 'connection-lost';
}

/** Why no answer came. `invalid`: something came that is not HTTP or whose headers are over the bound. */
export type CallbackFailureKind = 'unreachable' | 'timeout' | 'invalid' | 'target-not-allowed' | 'aborted';

/** No answer came. The message is short and names neither addresses nor what was sent. */
export class CallbackFailure extends Error {
  constructor(
    readonly kind: CallbackFailureKind,
    message: string,
    cause?: unknown,
  ) {
    super(message, { cause });
    this.name = 'CallbackFailure';
  }
}

/**
 * Calls URLs that others chose. Redirects are answers and never followed; the time of the whole call, the answer and
 * its headers are bounded; addresses are guarded at each connect.
 */
export class CallbackClient {
  #agent: Agent | undefined;

  constructor(
    private readonly guard: TargetGuard,
    private readonly bounds: CallbackBounds = defaultCallbackBounds,
  ) {}

  /**
   * Posts a JSON text. Answers whatever status came; throws `CallbackFailure` when none did.
   * @param timeoutMs bound of the whole call, from the connect to the answer's last byte
   * @param signal ends the call early, as `aborted`
   */
  async post(
    target: string,
    body: string,
    headers: Record<string, string>,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<CallbackAnswer> {
    if (!URL.canParse(target)) throw new CallbackFailure('invalid', 'the target is not a URL');
    const url = new URL(target);
    // The connection's lookup is not called for a host that is an address.
    if (!this.guard.allowsHost(url)) throw new CallbackFailure('target-not-allowed', 'not a public address');
    // Loaded by the first call, before its time begins: many brokers never make one.
    const { Agent, request } = await import('undici');
    this.#agent ??= new Agent(this.#options());
    const ending = new AbortController();
    const timer = setTimeout(() => ending.abort('timeout'), timeoutMs);
    const abort = () => ending.abort('aborted');
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted) abort();
    try {
      const answer = await request(url, {
        method: 'POST',
        dispatcher: this.#agent,
        signal: ending.signal,
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
        headers: {
          ...headers,
          'content-type': 'application/json',
          accept: 'application/json',
          'accept-encoding': 'identity',
          'user-agent': 'halfbox',
        },
        body,
      });
      return await this.#read(answer, ending.signal);
    } catch (error) {
      throw failure(error, ending.signal);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Ends every connection; calls under way fail as `unreachable`. */
  async close(): Promise<void> {
    await this.#agent?.destroy();
  }

  #options(): Agent.Options {
    const { connectionsPerOriginMax, headerBytesMax } = this.bounds;
    return {
      connect: { lookup: this.guard.lookup },
      connections: connectionsPerOriginMax,
      maxHeaderSize: headerBytesMax,
      pipelining: 1,
      // Shorter than servers keep idle connections, so that a call seldom meets one that is just being closed.
      keepAliveTimeout: 1_500,
    };
  }

  async #read(answer: Dispatcher.ResponseData, signal: AbortSignal): Promise<CallbackAnswer> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    let cutShort: CallbackAnswer['cutShort'];
    try {
      for await (const chunk of answer.body as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > this.bounds.answerBytesMax) {
          // Leaving the loop ends the connection: the rest is not read.
          cutShort = 'too-large';
          break;
        }
        chunks.push(chunk);
      }
    } catch (error) {
      if (signal.reason === 'aborted') throw error;
      cutShort = signal.aborted || codeOf(error) === 'UND_ERR_BODY_TIMEOUT' ? 'timeout' : 'connection-lost';
    }
    const whole = { status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks) };
    return cutShort ? { ...whole, cutShort } : whole;
  }
}

function failure(error: unknown, signal: AbortSignal): CallbackFailure {
  if (signal.reason === 'timeout') return new CallbackFailure('timeout', 'no answer in time', error);
  if (signal.reason === 'aborted') return new CallbackFailure('aborted', 'ended by the broker', error);
  const code = codeOf(error);
  if (error instanceof TargetNotAllowed)
    return new CallbackFailure('target-not-allowed', 'not a public address', error);
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_CONNECT_TIMEOUT') {
    return new CallbackFailure('timeout', 'no answer in time', error);
  }
  if (code === 'UND_ERR_HEADERS_OVERFLOW') {
    return new CallbackFailure('invalid', 'the headers of the answer are too large', error);
  }
  if ((error as Error).name === 'HTTPParserError' || code.startsWith('HPE_')) {
    return new CallbackFailure('invalid', 'the answer is not HTTP', error);
  }
  return new CallbackFailure('unreachable', code === '' ? 'no connection' : code, error);
}

function codeOf(error: unknown): string {
  return String((error as { code?: unknown } | null)?.code ?? '');
}

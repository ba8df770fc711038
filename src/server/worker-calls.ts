import type { FastifyInstance } from 'fastify';
import inject from 'light-my-request';
import type { CallerGuard } from '../api/caller.js';
import type { DirectAnswer, DirectCalls, DirectInput } from '../api/direct-calls.js';
import { parseBody } from '../api/json-parser.js';
import { problemHeaders, problemJson } from '../api/problem-json.js';
import { problemOf } from '../api/refusal.js';
import type { CallChannel, Headers, LeftCall, WorkerAnswer, WorkerCall } from '../http-worker/call-channel.js';
import type { Logger } from '../runtime/logger.js';

const json = 'application/json; charset=utf-8';
/** What a direct call's body is sent as; whatever else there is meets Fastify's own checks. */
const plainJson = /^application\/json *(; *charset=utf-8)?$/i;

type Channel = Pick<CallChannel<WorkerAnswer, WorkerCall | LeftCall>, 'send'>;

/** Answers calls that HTTP workers have read, like those that this process reads itself. */
export class WorkerCalls {
  /** @param server ready */
  constructor(
    private readonly server: FastifyInstance,
    private readonly direct: DirectCalls,
    private readonly guard: CallerGuard,
    private readonly logger: Logger,
  ) {}

  /** The calls of one worker. */
  of(channel: Channel): CallsOfWorker {
    return new CallsOfWorker(channel, (call) => this.#begin(call), this.logger);
  }

  #begin([, method, url, headers, body]: WorkerCall): AnsweredCall {
    if (isPlain(headers, body)) {
      const begun = this.direct.begin(method, url, this.#input(headers as DirectInput['headers'], body));
      if (begun) return { answer: begun.answer.then(written), leave: begun.leave };
    }
    return this.#inject(method, url, headers, body);
  }

  #input(headers: DirectInput['headers'], body: Uint8Array | null): DirectInput {
    return {
      headers,
      admit: (request, reply, access) => this.guard.admit(request, reply, access),
      readBody: () => (body === null ? undefined : parseBody(body as Buffer)),
    };
  }

  #inject(method: string, url: string, headers: Headers, body: Uint8Array | null): AnsweredCall {
    let response: { destroy(): void } | undefined;
    const answer = inject(
      (request, made) => {
        response = made;
        // As they came: a path is not put in order before it is looked up, and no header is added.
        request.url = url;
        request.headers = headers as typeof request.headers;
        this.server.routing(request, made);
      },
      { method: method as 'GET', url: '/', validate: false, ...(body && { payload: body as Buffer }) },
    );
    return {
      answer: answer.then(({ statusCode, headers: own, rawPayload }) => ({
        ...{ status: statusCode, headers: headersOf(own), body: rawPayload },
      })),
      leave: () => response?.destroy(),
    };
  }
}

/** Whether the call is one that Fastify would only read and pass on. */
function isPlain(headers: Headers, body: Uint8Array | null): boolean {
  if (headers['content-encoding'] !== undefined) return false;
  const type = headers['content-type'];
  if (type !== undefined) return plainJson.test(String(type));
  return (body === null || body.length === 0) && headers['transfer-encoding'] === undefined;
}

/** A call under way. */
interface AnsweredCall {
  /** Rejects where the call broke off without an answer. */
  answer: Promise<Answered>;
  leave(): void;
}

interface Answered {
  status: number;
  headers: Record<string, string | number>;
  body: string | Uint8Array;
}

function written({ status, headers, text, value }: DirectAnswer): Answered {
  headers['content-type'] ??= json;
  return { status, headers, body: text ?? (value === undefined ? '' : JSON.stringify(value)) };
}

/** Those that are the broker's to say. */
function headersOf(headers: Record<string, unknown>): Answered['headers'] {
  const { connection, ...rest } = headers as Answered['headers'];
  delete rest.date;
  delete rest['transfer-encoding'];
  return { ...rest, ...(connection !== undefined && connection !== 'keep-alive' && { connection }) };
}

/** The calls of one worker that are under way. */
export class CallsOfWorker {
  readonly #leave = new Map<number, () => void>();
  #ended = false;

  constructor(
    private readonly channel: Channel,
    private readonly begin: (call: WorkerCall) => AnsweredCall,
    private readonly logger: Logger,
  ) {}

  received(item: WorkerCall | LeftCall): void {
    const [id] = item;
    if (item.length === 1) return this.#end(id);
    // It was on its way when its worker ended.
    if (this.#ended) return;
    const { answer, leave } = this.begin(item);
    this.#leave.set(id, leave);
    answer.then(
      ({ status, headers, body }) => {
        if (this.#leave.delete(id)) this.channel.send([id, status, headers, body]);
      },
      (error: unknown) => {
        if (!this.#leave.delete(id)) return;
        const problem = problemOf(error, this.logger);
        this.channel.send([id, problem.status, problemHeaders(problem), JSON.stringify(problemJson(problem))]);
      },
    );
  }

  /** The worker has ended: nobody waits any more. */
  end(): void {
    this.#ended = true;
    for (const id of [...this.#leave.keys()]) this.#end(id);
  }

  #end(id: number): void {
    const leave = this.#leave.get(id);
    this.#leave.delete(id);
    leave?.();
  }
}

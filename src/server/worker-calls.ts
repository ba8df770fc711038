import type { FastifyInstance } from 'fastify';
import inject from 'light-my-request';
import type { CallerGuard } from '../api/caller.js';
import type { DirectAnswer, DirectCall, DirectCalls, DirectInput } from '../api/direct-calls.js';
import { parseJson } from '../api/json-parser.js';
import type { CallChannel, LeftCall, WorkerAnswer, WorkerCall } from '../http-worker/call-channel.js';

const json = 'application/json; charset=utf-8';
/** What a direct call's body may be sent as; whatever else there is meets Fastify's own checks. */
const plainJson = new Set<unknown>([undefined, 'application/json', json]);
/** Headers that the worker has seen to. */
const seenTo = ['keep-alive', 'transfer-encoding', 'expect', 'upgrade'];

type Channel = Pick<CallChannel<WorkerAnswer, WorkerCall | LeftCall>, 'send'>;

/** Answers calls that HTTP workers have read, like those that this process reads itself. */
export class WorkerCalls {
  /** @param server ready */
  constructor(
    private readonly server: FastifyInstance,
    private readonly direct: DirectCalls,
    private readonly guard: CallerGuard,
  ) {}

  /** The calls of one worker. */
  of(channel: Channel): CallsOfWorker {
    return new CallsOfWorker(channel, (call) => this.#begin(call));
  }

  #begin([, method, url, headers, body]: WorkerCall): Pick<DirectCall, 'leave'> & { answer: Promise<Answered> } {
    if (headers['content-encoding'] === undefined && plainJson.has(headers['content-type'])) {
      const begun = this.direct.begin(method, url, this.#input(headers as DirectInput['headers'], body));
      if (begun) return { answer: begun.answer.then(written), leave: begun.leave };
    }
    // Only receives wait for long, and those are direct.
    return { answer: this.#inject(method, url, headers, body), leave: () => {} };
  }

  #input(headers: DirectInput['headers'], body: Uint8Array | null): DirectInput {
    return {
      headers,
      admit: (request, reply, access) => this.guard.admit(request, reply, access),
      readBody: () => (body === null || body.length === 0 ? undefined : parseJson(body as Buffer)),
    };
  }

  async #inject(method: string, url: string, headers: WorkerCall[3], body: Uint8Array | null): Promise<Answered> {
    const kept = { ...headers };
    for (const name of seenTo) delete kept[name];
    if (body === null) delete kept['content-length'];
    const answer = await inject(
      (request, response) => {
        // As it came: a path is not put in order before it is looked up.
        request.url = url;
        this.server.routing(request, response);
      },
      { method: method as 'GET', url: '/', headers: kept, validate: false, ...(body && { payload: body as Buffer }) },
    );
    return { status: answer.statusCode, headers: headersOf(answer.headers), body: answer.rawPayload };
  }
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

  constructor(
    private readonly channel: Channel,
    private readonly begin: (call: WorkerCall) => { answer: Promise<Answered>; leave(): void },
  ) {}

  received(item: WorkerCall | LeftCall): void {
    const [id] = item;
    if (item.length === 1) return this.#leave.get(id)?.();
    const { answer, leave } = this.begin(item);
    this.#leave.set(id, leave);
    void answer.then(({ status, headers, body }) => {
      this.#leave.delete(id);
      this.channel.send([id, status, headers, body]);
    });
  }

  /** The worker has ended: nobody waits any more. */
  end(): void {
    for (const leave of this.#leave.values()) leave();
  }
}

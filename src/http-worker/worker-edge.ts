import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Admission, Admitted } from '../api/admission.js';
import { declaredBytes } from '../api/admission-hooks.js';
import { requestTooLarge } from '../api/edge-problems.js';
import { problemHeaders, problemJson } from '../api/problem-json.js';
import { bounds } from '../message/bounds.js';
import { Problem } from '../message/problem.js';
import type { CallChannel, LeftCall, WorkerAnswer, WorkerCall } from './call-channel.js';
import type { KnownCallers } from './known-callers.js';

const none = Buffer.alloc(0);

/** What new work is, and whether more of it is taken. */
export interface NewWork {
  /** Exact, without a query. */
  paths: ReadonlySet<string>;
  admission: Pick<Admission, 'take'>;
}

interface WaitingCaller {
  response: ServerResponse;
  admitted: Admitted | undefined;
}

/** Reads requests whole, has the broker answer them, and writes the answers. */
export class WorkerEdge {
  readonly #waiting = new Map<number, WaitingCaller>();
  #calls = 0;

  constructor(
    private readonly channel: Pick<CallChannel<WorkerCall | LeftCall, WorkerAnswer>, 'send'>,
    private readonly callers: Pick<KnownCallers, 'knows'>,
    private readonly newWork: NewWork,
  ) {}

  /** A listener of Node's `request`. */
  readonly serve = (request: IncomingMessage, response: ServerResponse): void => {
    const { headers, url = '' } = request;
    const length = headers['content-length'];
    const isEmpty = headers['transfer-encoding'] === undefined && (length === undefined || length === '0');
    if (isEmpty) this.#call(request, { response, admitted: undefined }, length === undefined ? null : none);
    // The broker refuses it by its headers: nothing is kept for strangers.
    else if (!this.callers.knows(headers)) this.#call(request, { response, admitted: undefined }, null);
    else if (Number(length) > bounds.requestBytesMax) refuseLarge(response);
    else if (!this.newWork.paths.has(url)) this.#read(request, { response, admitted: undefined });
    else this.#admit(request, response);
  };

  /** Writes the answer to a call. */
  answered([id, status, headers, body]: WorkerAnswer): void {
    const caller = this.#waiting.get(id);
    // It has gone.
    if (!caller) return;
    this.#waiting.delete(id);
    caller.admitted?.answered();
    // RFC 9110, section 8.6: none with these.
    if (status !== 204 && status !== 304) headers['content-length'] ??= Buffer.byteLength(body);
    try {
      caller.response.writeHead(status, headers).end(body);
    } catch {
      // A header that Node does not write: this answer must not take all others of the process with it.
      caller.response.destroy();
    }
  }

  #admit(request: IncomingMessage, response: ServerResponse): void {
    try {
      const admitted = this.newWork.admission.take(declaredBytes(request.headers));
      response.once('close', admitted.left);
      this.#read(request, { response, admitted });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      refuse(response, error);
    }
  }

  #read(request: IncomingMessage, caller: WaitingCaller): void {
    const pieces: Buffer[] = [];
    let bytes = 0;
    request.on('data', (piece: Buffer) => {
      bytes += piece.length;
      if (bytes <= bounds.requestBytesMax) pieces.push(piece);
      else if (!caller.response.headersSent) refuseLarge(caller.response);
    });
    request.on('end', () => {
      if (bytes > bounds.requestBytesMax) return;
      caller.admitted?.begin();
      this.#call(request, caller, pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces));
    });
  }

  #call({ method = '', url = '', headers }: IncomingMessage, caller: WaitingCaller, body: Buffer | null): void {
    const id = (this.#calls += 1);
    this.#waiting.set(id, caller);
    caller.response.once('close', () => {
      if (!this.#waiting.delete(id)) return;
      caller.admitted?.answered();
      this.channel.send([id]);
    });
    this.channel.send([id, method, url, headers, body]);
  }
}

/** Nothing more of its body is kept, and the connection ends. */
function refuseLarge(response: ServerResponse): void {
  refuse(response, requestTooLarge(), { connection: 'close' });
}

function refuse(response: ServerResponse, problem: Problem, more: OutgoingHttpHeaders = {}): void {
  const body = JSON.stringify(problemJson(problem));
  const headers = { ...problemHeaders(problem), 'content-length': Buffer.byteLength(body), ...more };
  response.writeHead(problem.status, headers).end(body);
}

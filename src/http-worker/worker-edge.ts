import type { IncomingMessage, ServerResponse } from 'node:http';
import { problemJson, problemContentType } from '../api/problem-json.js';
import { bounds } from '../message/bounds.js';
import { Problem } from '../message/problem.js';
import type { CallChannel, LeftCall, WorkerAnswer, WorkerCall } from './call-channel.js';
import type { KnownCallers } from './known-callers.js';

const none = Buffer.alloc(0);

/** Reads requests whole, has the broker answer them, and writes the answers. */
export class WorkerEdge {
  readonly #waiting = new Map<number, ServerResponse>();
  #calls = 0;

  constructor(
    private readonly channel: Pick<CallChannel<WorkerCall | LeftCall, WorkerAnswer>, 'send'>,
    private readonly callers: Pick<KnownCallers, 'knows'>,
  ) {}

  /** A listener of Node's `request`. */
  readonly serve = (request: IncomingMessage, response: ServerResponse): void => {
    const { headers } = request;
    const length = headers['content-length'];
    const isEmpty = headers['transfer-encoding'] === undefined && (length === undefined || length === '0');
    if (isEmpty) this.#call(request, response, length === undefined ? null : none);
    // The broker refuses it by its headers: nothing is kept for strangers.
    else if (!this.callers.knows(headers)) this.#call(request, response, null);
    else if (Number(length) > bounds.requestBytesMax) refuseLarge(response);
    else this.#read(request, response);
  };

  /** Writes the answer to a call. */
  answered([id, status, headers, body]: WorkerAnswer): void {
    const response = this.#waiting.get(id);
    // Its caller has gone.
    if (!response) return;
    this.#waiting.delete(id);
    // RFC 9110, section 8.6: none with these.
    if (status !== 204 && status !== 304) headers['content-length'] ??= Buffer.byteLength(body);
    try {
      response.writeHead(status, headers).end(body);
    } catch {
      // A header that Node does not write: this answer must not take all others of the process with it.
      response.destroy();
    }
  }

  #read(request: IncomingMessage, response: ServerResponse): void {
    const pieces: Buffer[] = [];
    let bytes = 0;
    request.on('data', (piece: Buffer) => {
      bytes += piece.length;
      if (bytes <= bounds.requestBytesMax) pieces.push(piece);
      else if (!response.headersSent) refuseLarge(response);
    });
    request.on('end', () => {
      if (bytes > bounds.requestBytesMax) return;
      this.#call(request, response, pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces));
    });
  }

  #call({ method = '', url = '', headers }: IncomingMessage, response: ServerResponse, body: Buffer | null): void {
    const id = (this.#calls += 1);
    this.#waiting.set(id, response);
    response.once('close', () => {
      if (this.#waiting.delete(id)) this.channel.send([id]);
    });
    this.channel.send([id, method, url, headers, body]);
  }
}

function refuseLarge(response: ServerResponse): void {
  const problem = new Problem('body-too-large', 'the request is larger than 16 MiB');
  const body = JSON.stringify(problemJson(problem));
  response
    .writeHead(problem.status, {
      'content-type': problemContentType,
      'content-length': Buffer.byteLength(body),
      connection: 'close',
    })
    .end(body);
}

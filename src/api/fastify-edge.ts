import type { Socket } from 'node:net';
import { fastify, type FastifyInstance } from 'fastify';
import { bounds } from '../message/bounds.js';
import { Problem } from '../message/problem.js';
import type { Logger } from '../runtime/logger.js';
import type { CallerGuard } from './caller.js';
import { parseJson } from './json-parser.js';
import { problemJson, problemMediaType } from './problem-json.js';
import { problemOf, sendProblem } from './refusal.js';
import { RouteTable } from './route-table.js';

/** Longest path parameter: names and ids, percent-encoded. Longer ones are refused by the endpoint's schema. */
const paramLengthMax = 2_048;
/** A request must have arrived whole within this time. */
const requestTimeoutMs = 60_000;
/** How often idle connections are closed while the server closes. */
const idleSweepMs = 50;

export interface EdgeOptions {
  guard: CallerGuard;
  logger: Logger;
  /** True while the broker stops: requests are refused with 503. */
  stopping: () => boolean;
}

/**
 * Fastify with what every request meets: strict JSON, callers and their scopes, problems for every error. Routes must
 * carry an {@link Endpoint} in their config.
 */
export function createFastifyEdge(options: EdgeOptions): { server: FastifyInstance; routes: RouteTable } {
  const { guard, logger, stopping } = options;
  const routes = new RouteTable();
  const server = fastify({
    bodyLimit: bounds.requestBytesMax,
    requestTimeout: requestTimeoutMs,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: paramLengthMax },
    frameworkErrors: (error, _request, reply) => sendProblem(reply, problemOf(error, logger)),
    clientErrorHandler: answerClientError,
  });
  server.decorateRequest('caller', null);
  server.decorateRequest('fromNode', false);
  server.addHook('onRoute', (route) => routes.add(route));
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, (body as Buffer).length === 0 ? undefined : parseJson(body as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
  server.addHook('onRequest', (request, reply, done) => {
    if (stopping()) {
      reply.header('connection', 'close');
      return done(new Problem('unavailable', 'this node is stopping', { retryAfterMs: 1_000 }));
    }
    const endpoint = request.routeOptions.config.endpoint;
    if (!endpoint) return done();
    try {
      guard.admit(request, reply, endpoint.spec.access);
      refuseEncoded(request.headers['content-encoding']);
      done();
    } catch (error) {
      done(error as Error);
    }
  });
  // Node answers it by itself otherwise, with a status and nothing else.
  server.server.on('checkExpectation', (_request, response) => {
    const { status, headers, body } = notACall(
      '417 Expectation Failed',
      'the only expectation that is met is 100-continue',
    );
    response.writeHead(status, headers).end(body);
  });
  server.addHook('preClose', (done) => {
    closeAsTheyIdle(server);
    done();
  });
  return { server, routes };
}

/** Closes each connection when its request in hand is answered: a client that keeps it open would hold up the stop. */
function closeAsTheyIdle({ server }: FastifyInstance): void {
  const sweep = setInterval(() => server.closeIdleConnections(), idleSweepMs);
  sweep.unref();
  server.once('close', () => clearInterval(sweep));
}

function refuseEncoded(contentEncoding: string | undefined): void {
  if (contentEncoding === undefined || contentEncoding === 'identity') return;
  throw new Problem('unsupported-media-type', 'compressed bodies are not taken');
}

/** What cannot even be read as HTTP: there is no request to answer, only a socket. */
function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const { line, reason } = clientErrors[error.code ?? ''] ?? notHttp;
  const { headers, body } = notACall(line, reason);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${line}\r\n${lines.join('')}\r\n${body}`);
}

/** The refusal of what is not known to be a call; nothing that may follow it is read. */
function notACall(line: string, reason: string): { status: number; headers: Record<string, string>; body: string } {
  const status = Number(line.slice(0, 3));
  const problem = new Problem('validation-failed', reason, { fields: [{ path: '', reason }] });
  const body = JSON.stringify({ ...problemJson(problem), status });
  const contentLength = Buffer.byteLength(body).toString();
  return {
    status,
    headers: { 'content-type': problemMediaType, 'content-length': contentLength, connection: 'close' },
    body,
  };
}

const notHttp = { line: '400 Bad Request', reason: 'this is not a valid HTTP request' };
const clientErrors: Record<string, typeof notHttp> = {
  HPE_HEADER_OVERFLOW: { line: '431 Request Header Fields Too Large', reason: 'the headers are too large' },
  ERR_HTTP_REQUEST_TIMEOUT: { line: '408 Request Timeout', reason: 'the request did not arrive in time' },
};

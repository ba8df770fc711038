import { fastify, type FastifyInstance } from 'fastify';
import { bounds } from '../message/bounds.js';
import { Problem } from '../message/problem.js';
import type { Logger } from '../runtime/logger.js';
import type { Admission } from './admission.js';
import { admitNewWork } from './admission-hooks.js';
import type { CallerGuard } from './caller.js';
import { answerClientError, refuseExpectation } from './client-error.js';
import { closeAsTheyIdle, keepAliveMs, requestTimeoutMs } from './connection-bounds.js';
import { nodeStopping } from './edge-problems.js';
import { parseBody } from './json-parser.js';
import { problemOf, sendProblem } from './refusal.js';
import { RouteTable } from './route-table.js';

/** Longest path parameter: names and ids, percent-encoded. Longer ones are refused by the endpoint's schema. */
const paramLengthMax = 2_048;

export interface EdgeOptions {
  guard: CallerGuard;
  /** Of requests with new work. */
  admission: Admission;
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
    keepAliveTimeout: keepAliveMs,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: paramLengthMax },
    frameworkErrors: (error, _request, reply) => sendProblem(reply, problemOf(error, logger)),
    clientErrorHandler: answerClientError,
  });
  server.decorateRequest('caller', null);
  server.decorateRequest('fromNode', false);
  server.addHook('onRoute', (route) => routes.add(route));
  admitNewWork(server, options.admission);
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, parseBody(body as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
  server.addHook('onRequest', (request, reply, done) => {
    if (stopping()) {
      reply.header('connection', 'close');
      return done(nodeStopping());
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
  server.server.on('checkExpectation', refuseExpectation);
  server.addHook('preClose', (done) => {
    closeAsTheyIdle(server.server);
    done();
  });
  return { server, routes };
}

function refuseEncoded(contentEncoding: string | undefined): void {
  if (contentEncoding === undefined || contentEncoding === 'identity') return;
  throw new Problem('unsupported-media-type', 'compressed bodies are not taken');
}

import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import type { Admission, Admitted } from './admission.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set on requests with new work that were taken. */
    admitted: Admitted | null;
  }
}

/** What the headers say of the body's length; undefined where only its end will tell. */
export function declaredBytes(headers: IncomingHttpHeaders): number | undefined {
  return headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : undefined;
}

/**
 * Refuses new work (see `EndpointSpec.bringsWork`) that the broker cannot do in time, after the caller is known and before the
 * body is read. What is sent after the refusal is dropped, and the connection can be used again. For routes that are added later.
 */
export function admitNewWork(server: FastifyInstance, admission: Admission): void {
  const take = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void => {
    try {
      const admitted = admission.take(declaredBytes(request.headers));
      request.admitted = admitted;
      reply.raw.once('close', admitted.left);
      done();
    } catch (error) {
      done(error as Error);
    }
  };
  server.decorateRequest('admitted', null);
  server.addHook('onRoute', (route: RouteOptions) => {
    if (!route.config?.endpoint?.spec.bringsWork) return;
    route.onRequest = take;
    route.preValidation = begin;
    route.onSend = answered;
  });
}

function begin(request: FastifyRequest, _reply: FastifyReply, done: () => void): void {
  request.admitted?.begin();
  done();
}

/** Before the answer is written: its caller may send the next request as soon as it has it. */
function answered(
  request: FastifyRequest,
  _reply: FastifyReply,
  payload: unknown,
  done: (error: null, payload: unknown) => void,
) {
  request.admitted?.answered();
  done(null, payload);
}

import 'reflect-metadata';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '../runtime/logger.js';
import type { Endpoint } from './endpoint.js';
import { doneStatus } from './handles.js';
import { problemOf, sendProblem } from './refusal.js';

type Method = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

const servedEndpoint = Symbol('endpoint served directly');

/**
 * Serves an endpoint with this method of a controller, called by Fastify itself with the request and the reply. For the
 * calls that every message makes: the two calls of a transaction spend a tenth of their time at the edge in what Nest puts
 * around a handler (proxies, parameters, filters, its own way to answer).
 */
export function HandlesDirectly<Params, Query, Body>(
  endpoint: Endpoint<Params, Query, Body>,
): <M extends Method>(target: object, name: string | symbol, method: TypedPropertyDescriptor<M>) => void {
  return (_target, _name, { value }) => Reflect.defineMetadata(servedEndpoint, endpoint, value!);
}

/** An endpoint with the method that serves it. */
export interface DirectHandler {
  endpoint: Endpoint;
  run(request: FastifyRequest, reply: FastifyReply): Promise<unknown>;
}

/** The methods that are marked by {@link HandlesDirectly}. */
export function directHandlers(controllers: object[]): DirectHandler[] {
  return controllers.flatMap((controller) => {
    const methods = Object.getPrototypeOf(controller) as Record<string, Method>;
    return Object.getOwnPropertyNames(methods).flatMap((name) => {
      const method = methods[name]!;
      const endpoint = Reflect.getMetadata(servedEndpoint, method) as Endpoint | undefined;
      if (!endpoint) return [];
      const status = doneStatus(endpoint);
      const run: DirectHandler['run'] = (request, reply) => {
        reply.code(status);
        return method.call(controller, request, reply);
      };
      return { endpoint, run };
    });
  });
}

/** Adds their routes. */
export function addDirectRoutes(server: FastifyInstance, handlers: DirectHandler[], logger: Logger): void {
  const errorHandler = (error: unknown, _request: FastifyRequest, reply: FastifyReply): void =>
    sendProblem(reply, problemOf(error, logger));
  for (const { endpoint, run: handler } of handlers) {
    const { method, path: url } = endpoint.spec;
    server.route({ method, url, config: { endpoint }, errorHandler, handler });
  }
}

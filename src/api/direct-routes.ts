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

/** Adds the routes of the methods that are marked by {@link HandlesDirectly}. */
export function addDirectRoutes(server: FastifyInstance, controllers: object[], logger: Logger): void {
  const errorHandler = (error: unknown, _request: FastifyRequest, reply: FastifyReply): void =>
    sendProblem(reply, problemOf(error, logger));
  for (const controller of controllers) {
    const methods = Object.getPrototypeOf(controller) as Record<string, Method>;
    for (const name of Object.getOwnPropertyNames(methods)) {
      const method = methods[name]!;
      const endpoint = Reflect.getMetadata(servedEndpoint, method) as Endpoint | undefined;
      if (!endpoint) continue;
      const status = doneStatus(endpoint);
      server.route({
        method: endpoint.spec.method,
        url: endpoint.spec.path,
        config: { endpoint },
        errorHandler,
        handler: (request, reply) => {
          reply.code(status);
          return method.call(controller, request, reply);
        },
      });
    }
  }
}

import 'reflect-metadata';
import type { Type } from '@nestjs/common';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '../runtime/logger.js';
import type { Endpoint } from './endpoint.js';
import { doneStatus } from './handles.js';
import { problemOf, sendProblem } from './refusal.js';

type Method = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

const servedEndpoint = Symbol('endpoint served directly');

/**
 * Serves an endpoint with this method of a controller, called by Fastify itself with the request and the reply. For the
 * calls that every message makes: on their way through Nest's hooks, proxies and answers, the two calls of a transaction
 * cost a quarter more than all of HTTP does.
 */
export function HandlesDirectly<Params, Query, Body>(
  endpoint: Endpoint<Params, Query, Body>,
): <M extends Method>(target: object, name: string | symbol, method: TypedPropertyDescriptor<M>) => void {
  return (_target, _name, { value }) => Reflect.defineMetadata(servedEndpoint, endpoint, value!);
}

interface Bound {
  controller: Type<object>;
  instance: object | null;
}

/** The routes of the methods that are marked by {@link HandlesDirectly}, in a Fastify context of their own. */
export class DirectRoutes {
  readonly #bound: Bound[];

  constructor(
    controllers: Type<object>[],
    private readonly logger: Logger,
  ) {
    this.#bound = controllers.map((controller) => ({ controller, instance: null }));
  }

  /** Adds the routes. A context takes over the hooks that are there when it is made: call it before Nest adds its own. */
  async addTo(server: FastifyInstance): Promise<void> {
    await server.register((context, _options, done) => {
      context.setErrorHandler((error, _request, reply) => sendProblem(reply, problemOf(error, this.logger)));
      for (const bound of this.#bound) addRoutes(context, bound);
      done();
    });
  }

  /** Gives the routes the controllers that Nest has made. */
  bind(app: { get<T extends object>(controller: Type<T>): T }): void {
    for (const bound of this.#bound) bound.instance = app.get(bound.controller);
  }
}

function addRoutes(context: FastifyInstance, bound: Bound): void {
  const { prototype } = bound.controller as { prototype: Record<string, Method> };
  for (const name of Object.getOwnPropertyNames(prototype)) {
    const method = prototype[name]!;
    const endpoint = Reflect.getMetadata(servedEndpoint, method) as Endpoint | undefined;
    if (!endpoint) continue;
    const status = doneStatus(endpoint);
    context.route({
      method: endpoint.spec.method,
      url: endpoint.spec.path,
      config: { endpoint },
      handler: (request, reply) => {
        reply.code(status);
        return method.call(bound.instance, request, reply);
      },
    });
  }
}

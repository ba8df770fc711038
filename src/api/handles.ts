import { applyDecorators, HttpCode, RequestMapping, RequestMethod } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { Endpoint } from './endpoint.js';

/** The status of a call that is done for the first time: the highest one, 201 before 200. */
export function doneStatus<Params, Query, Body>({ spec }: Endpoint<Params, Query, Body>): number {
  const statuses = Object.keys(spec.answers).map(Number);
  return Math.max(...statuses.filter((status) => status < 300));
}

/** Serves an endpoint with this method. Its description goes along with the route, for the caller's scopes. */
export function Handles<Params, Query, Body>(endpoint: Endpoint<Params, Query, Body>): MethodDecorator {
  const { method, path } = endpoint.spec;
  return applyDecorators(
    RequestMapping({ method: RequestMethod[method], path }),
    HttpCode(doneStatus(endpoint)),
    RouteConfig({ endpoint }),
  );
}

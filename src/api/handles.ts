import { applyDecorators, HttpCode, RequestMapping, RequestMethod } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { Endpoint } from './endpoint.js';

/** Serves an endpoint with this method. Its description goes along with the route, for the caller's scopes. */
export function Handles<Params, Query, Body>(endpoint: Endpoint<Params, Query, Body>): MethodDecorator {
  const { method, path, answers } = endpoint.spec;
  return applyDecorators(
    RequestMapping({ method: RequestMethod[method], path }),
    // The status of a call that is done for the first time is the higher one: 201 before 200.
    HttpCode(
      Math.max(
        ...Object.keys(answers)
          .map(Number)
          .filter((status) => status < 300),
      ),
    ),
    RouteConfig({ endpoint }),
  );
}

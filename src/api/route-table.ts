import type { RouteOptions } from 'fastify';
import { Problem } from '../message/problem.js';
import type { Endpoint } from './endpoint.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The description of the call that this route serves. */
    endpoint?: Endpoint;
  }
}

interface Route {
  method: string;
  pattern: RegExp;
}

function patternOf(path: string): RegExp {
  const escaped = path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replace(/:[A-Za-z]+/g, '[^/]+')}$`);
}

/** The routes that are served, so that a known path with a wrong method is told apart from an unknown path. */
export class RouteTable {
  readonly #routes: Route[] = [];
  readonly endpoints = new Set<Endpoint>();

  /** To be called for every route. Throws for one without a description: nobody would have said who may call it. */
  add(route: RouteOptions): void {
    const endpoint = route.config?.endpoint;
    if (!endpoint) throw new Error(`${String(route.method)} ${route.url} has no endpoint that says who may call it`);
    this.endpoints.add(endpoint);
    for (const method of [route.method].flat()) this.#routes.push({ method, pattern: patternOf(route.url) });
  }

  /** The refusal of a request that no route serves, and the methods that its path knows. */
  refusal(method: string, url: string): { problem: Problem; allow: string[] } {
    const path = url.split('?', 1)[0] ?? url;
    const allow = this.#routes.filter(({ pattern }) => pattern.test(path)).map((route) => route.method);
    const problem =
      allow.length > 0
        ? new Problem('method-not-allowed', `${method} is not one of ${allow.join(', ')}`)
        : new Problem('not-found', `there is no ${path.slice(0, 200)}`);
    return { problem, allow };
  }
}

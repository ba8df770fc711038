import { EventEmitter } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '../runtime/logger.js';
import type { DirectHandler } from './direct-routes.js';
import { nodeStopping } from './edge-problems.js';
import type { Access } from './endpoint.js';
import { problemHeaders, problemJson } from './problem-json.js';
import { problemOf } from './refusal.js';

/** What was answered: a value that JSON can carry, or the text that a handler made itself. */
export interface DirectAnswer {
  status: number;
  value?: unknown;
  text?: string;
  /** Those that were set, with names in lower case. */
  headers: Record<string, string | number>;
}

/** A call of this process under way. */
export interface DirectCall {
  /** Does not reject: a refusal is an answer. */
  answer: Promise<DirectAnswer>;
  /** Nobody waits for the answer any more. */
  leave(): void;
}

/** What a call brings. */
export interface DirectInput {
  headers: IncomingHttpHeaders;
  /** Sets `request.caller`, or throws why the call is refused; before the body is read. */
  admit(request: FastifyRequest, reply: FastifyReply, access: Access): void;
  readBody(): unknown;
}

export interface DirectCallsOptions {
  handlers: readonly DirectHandler[];
  logger: Logger;
  /** True while the broker stops: calls are refused with 503. */
  stopping: () => boolean;
}

interface Route {
  method: string;
  pattern: RegExp;
  handler: DirectHandler;
}

/**
 * Calls to the handlers of the direct routes from wherever they come: the same checks of the input, the same handlers, answers
 * and problems as over HTTP, without a request of Fastify's.
 */
export class DirectCalls {
  readonly #routes: Route[];

  constructor(private readonly options: DirectCallsOptions) {
    this.#routes = options.handlers.map((handler) => {
      const { method, path } = handler.endpoint.spec;
      return { method, pattern: new RegExp(`^${path.replace(/:(\w+)/g, '(?<$1>[\\w.-]{1,127})')}$`), handler };
    });
  }

  /** Begins a call; undefined where no direct route takes it as it is. */
  begin(method: string, path: string, input: DirectInput): DirectCall | undefined {
    for (const route of this.#routes) {
      const found = route.method === method ? route.pattern.exec(path) : null;
      if (!found) continue;
      const reply = new LocalReply();
      const answer = this.#answer(route.handler, { ...found.groups }, path, input, reply);
      return { answer, leave: () => reply.raw.emit('close') };
    }
    return undefined;
  }

  async #answer(
    handler: DirectHandler,
    params: Record<string, string>,
    url: string,
    { headers, admit, readBody }: DirectInput,
    local: LocalReply,
  ): Promise<DirectAnswer> {
    const { logger, stopping } = this.options;
    // The parts of both that direct handlers use.
    const known = { params, query: {}, body: undefined as unknown, url, headers, caller: null, fromNode: false };
    const request = known as unknown as FastifyRequest;
    const reply = local as unknown as FastifyReply;
    try {
      if (stopping()) throw nodeStopping();
      admit(request, reply, handler.endpoint.spec.access);
      known.body = readBody();
      const value = await handler.run(request, reply);
      return {
        status: local.status,
        headers: local.headers,
        ...(typeof value === 'string' ? { text: value } : { value }),
      };
    } catch (error) {
      const problem = problemOf(error, logger);
      const headers = { ...local.headers, ...problemHeaders(problem) };
      return { status: problem.status, headers, value: problemJson(problem) };
    }
  }
}

/** What a direct handler does with its reply. */
class LocalReply {
  status = 200;
  readonly headers: Record<string, string | number> = {};
  #raw: (EventEmitter & { writableEnded: boolean }) | undefined;

  /** Tells by `close` when nobody waits any more. */
  get raw(): EventEmitter & { writableEnded: boolean } {
    return (this.#raw ??= Object.assign(new EventEmitter(), { writableEnded: false }));
  }

  code(status: number): this {
    this.status = status;
    return this;
  }

  header(name: string, value: string | number): this {
    this.headers[name] = value;
    return this;
  }
}

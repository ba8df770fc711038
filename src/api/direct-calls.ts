import { EventEmitter } from 'node:events';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { bounds } from '../message/bounds.js';
import { Problem } from '../message/problem.js';
import type { Logger } from '../runtime/logger.js';
import type { Caller } from '../config/api-keys.js';
import type { DirectHandler } from './direct-routes.js';
import { parseJsonText } from './json-parser.js';
import { problemJson, retryAfterSeconds } from './problem-json.js';
import { problemOf } from './refusal.js';

/** What was answered: a value that JSON can carry, or the text that a handler made itself. */
export interface DirectAnswer {
  status: number;
  value?: unknown;
  text?: string;
  retryAfterSeconds?: number | undefined;
}

/** A call of this process under way. */
export interface DirectCall {
  /** Does not reject: a refusal is an answer. */
  answer: Promise<DirectAnswer>;
  /** Nobody waits for the answer any more. */
  leave(): void;
}

export interface DirectCallsOptions {
  handlers: readonly DirectHandler[];
  /** Who the calls are made by. */
  caller: Caller;
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
 * Calls of this process to the handlers of the direct routes: the same checks of the input, the same handlers, answers and
 * problems as over HTTP, without a request that is written and read again.
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
  begin(method: string, path: string, bodyText: string | undefined): DirectCall | undefined {
    for (const route of this.#routes) {
      const found = route.method === method ? route.pattern.exec(path) : null;
      if (!found) continue;
      const reply = new LocalReply();
      const answer = this.#answer(route.handler, { ...found.groups }, path, bodyText, reply);
      return { answer, leave: () => reply.raw.emit('close') };
    }
    return undefined;
  }

  async #answer(
    handler: DirectHandler,
    params: Record<string, string>,
    url: string,
    bodyText: string | undefined,
    reply: LocalReply,
  ): Promise<DirectAnswer> {
    const { caller, logger, stopping } = this.options;
    try {
      if (stopping()) throw new Problem('unavailable', 'this node is stopping', { retryAfterMs: 1_000 });
      const body = bodyText === undefined ? undefined : readBody(bodyText);
      // The parts of them that direct handlers use.
      const request = { params, query: {}, body, url, caller, fromNode: false } as unknown as FastifyRequest;
      const value = await handler.run(request, reply as unknown as FastifyReply);
      const { status, retryAfter } = reply;
      return { status, retryAfterSeconds: retryAfter, ...(typeof value === 'string' ? { text: value } : { value }) };
    } catch (error) {
      const problem = problemOf(error, logger);
      const { status } = problem;
      return { status, value: problemJson(problem), retryAfterSeconds: retryAfterSeconds(problem) };
    }
  }
}

function readBody(text: string): unknown {
  if (Buffer.byteLength(text) > bounds.requestBytesMax) {
    throw new Problem('body-too-large', 'the request is larger than 16 MiB');
  }
  return parseJsonText(text);
}

/** What a direct handler does with its reply. */
class LocalReply {
  status = 200;
  retryAfter: number | undefined;
  #raw: (EventEmitter & { writableEnded: boolean }) | undefined;

  /** Tells by `close` when nobody waits any more. */
  get raw(): EventEmitter & { writableEnded: boolean } {
    return (this.#raw ??= Object.assign(new EventEmitter(), { writableEnded: false }));
  }

  code(status: number): this {
    this.status = status;
    return this;
  }

  header(name: string, value: unknown): this {
    if (name === 'retry-after') this.retryAfter = Number(value);
    return this;
  }
}

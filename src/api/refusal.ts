import { HttpException } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Problem } from '../message/problem.js';
import type { Logger } from '../runtime/logger.js';
import { requestTooLarge } from './edge-problems.js';
import { problemHeaders, problemJson } from './problem-json.js';

/** Answers with a problem. */
export function sendProblem(reply: FastifyReply, problem: Problem): void {
  // A text is sent as it is, so that no serialiser changes the media type.
  reply
    .code(problem.status)
    .headers(problemHeaders(problem))
    .send(JSON.stringify(problemJson(problem)));
}

const problemOfStatus: Record<number, () => Problem> = {
  413: requestTooLarge,
  415: () => new Problem('unsupported-media-type', 'send the body as content-type: application/json'),
};

/** What a caller is told about something that was thrown. What is not a refusal is logged here and answered 500. */
export function problemOf(error: unknown, logger: Logger): Problem {
  if (error instanceof Problem) {
    if (error.status === 500) logger.error({ err: error }, 'a request failed');
    return error;
  }
  const refusal = frameworkRefusal(error);
  if (refusal) return refusal;
  logger.error({ err: error }, 'a request failed');
  return new Problem('internal', 'the broker failed; its log says why', { cause: error });
}

/** A request that the framework itself refused: it throws errors with a code, or exceptions with a status. */
function frameworkRefusal(error: unknown): Problem | null {
  const { code, statusCode } = (error ?? {}) as { code?: string; statusCode?: number };
  // What Fastify makes of a connection that ends within a body.
  const brokeOff = code === 'ECONNRESET' && statusCode === 400;
  const isFramework = error instanceof HttpException || brokeOff || code?.startsWith('FST_ERR_');
  if (!isFramework) return null;
  const status = error instanceof HttpException ? error.getStatus() : statusCode;
  if (status === undefined || status >= 500) return null;
  const problem = problemOfStatus[status]?.();
  if (problem) return problem;
  const reason = (error as Error).message;
  return new Problem('validation-failed', reason, { fields: [{ path: '', reason }], cause: error });
}

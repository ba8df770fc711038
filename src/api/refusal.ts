import type { FastifyReply } from 'fastify';
import { Problem, type ProblemSlug } from '../message/problem.js';
import type { Logger } from '../runtime/logger.js';
import { problemJson, problemMediaType, retryAfterSeconds } from './problem-json.js';

/** Answers with a problem. */
export function sendProblem(reply: FastifyReply, problem: Problem): void {
  const retryAfter = retryAfterSeconds(problem);
  if (retryAfter !== undefined) reply.header('retry-after', retryAfter);
  // A text is sent as it is, so that no serialiser changes the media type.
  reply
    .code(problem.status)
    .header('content-type', problemMediaType)
    .send(JSON.stringify(problemJson(problem)));
}

const slugOfCode: Record<string, ProblemSlug> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body-too-large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported-media-type',
  FST_ERR_CTP_INVALID_TYPE: 'unsupported-media-type',
};

const detailOfSlug: Partial<Record<ProblemSlug, string>> = {
  'body-too-large': 'the request is larger than 16 MiB',
  'unsupported-media-type': 'send the body as content-type: application/json',
};

/** What a caller is told about something that was thrown. What is not a refusal is logged here and answered 500. */
export function problemOf(error: unknown, logger: Logger): Problem {
  if (error instanceof Problem) {
    if (error.status === 500) logger.error({ err: error }, 'a request failed');
    return error;
  }
  const { code, statusCode, message } = (error ?? {}) as { code?: string; statusCode?: number; message?: string };
  const slug = code === undefined ? undefined : slugOfCode[code];
  if (slug !== undefined) return new Problem(slug, detailOfSlug[slug] ?? slug, { cause: error });
  if (code?.startsWith('FST_ERR_') && statusCode !== undefined && statusCode < 500) {
    const reason = message ?? 'the request is malformed';
    return new Problem('validation-failed', reason, { fields: [{ path: '', reason }], cause: error });
  }
  logger.error({ err: error }, 'a request failed');
  return new Problem('internal', 'the broker failed; its log says why', { cause: error });
}

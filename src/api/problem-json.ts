import { problemStatus, type FieldProblem, type Problem, type ProblemSlug } from '../message/problem.js';

/** Media type of every refusal (RFC 9457). */
export const problemMediaType = 'application/problem+json';

/** What a refusal looks like on the wire. */
export interface ProblemJson {
  type: string;
  title: string;
  status: number;
  detail: string;
  errors?: FieldProblem[];
}

const problemTypes = Object.fromEntries(
  Object.keys(problemStatus).map((slug) => {
    const words = slug.replaceAll('-', ' ');
    return [slug, { type: `urn:halfbox:problem:${slug}`, title: words.charAt(0).toUpperCase() + words.slice(1) }];
  }),
) as Record<ProblemSlug, { type: string; title: string }>;

export function problemJson(problem: Problem): ProblemJson {
  const { slug, status, detail, fields } = problem;
  return { ...problemTypes[slug], status, detail, ...(fields ? { errors: fields } : {}) };
}

/** The headers of its answer, with names in lower case. */
export function problemHeaders(problem: Problem): Record<string, string | number> {
  const retryAfter = retryAfterSeconds(problem);
  return {
    'content-type': `${problemMediaType}; charset=utf-8`,
    ...(retryAfter !== undefined && { 'retry-after': retryAfter }),
  };
}

/** Value of the Retry-After header (whole seconds, rounded up); undefined where none is sent. */
function retryAfterSeconds(problem: Problem): number | undefined {
  const waits = problem.status === 429 || problem.status === 503;
  const retryAfterMs = problem.retryAfterMs ?? (waits ? 1_000 : undefined);
  return retryAfterMs === undefined ? undefined : Math.max(1, Math.ceil(retryAfterMs / 1_000));
}

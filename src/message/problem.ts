/** One field of a request that was refused, and why. */
export interface FieldProblem {
  /** Where: `messages.0.topic`. Empty for the request as a whole. */
  path: string;
  reason: string;
}

/** Every kind of refusal that a caller can meet, with its HTTP status. The slug is stable and part of the contract. */
export const problemStatus = {
  'validation-failed': 400,
  'target-not-allowed': 400,
  unauthorized: 401,
  forbidden: 403,
  'not-found': 404,
  'topic-not-found': 404,
  'producer-not-found': 404,
  'transaction-not-found': 404,
  'message-not-found': 404,
  'subscription-not-found': 404,
  'method-not-allowed': 405,
  'transaction-already-committed': 409,
  'transaction-already-rolled-back': 409,
  'id-reused': 409,
  'not-empty': 409,
  'already-exists': 409,
  'not-recallable': 409,
  'receipt-expired': 409,
  'wrong-mode': 409,
  'no-secret': 409,
  'body-too-large': 413,
  'unsupported-media-type': 415,
  'not-owner': 421,
  'upgrade-required': 426,
  overloaded: 429,
  internal: 500,
  'not-implemented': 501,
  unavailable: 503,
} as const;

export type ProblemSlug = keyof typeof problemStatus;

export interface ProblemOptions {
  fields?: FieldProblem[];
  /** How long the caller should wait before it tries again; sent as Retry-After (whole seconds, rounded up). */
  retryAfterMs?: number;
  cause?: unknown;
}

/**
 * A refusal that the caller is told about: RFC 9457 problem details.
 * Anything that is thrown and is not a `Problem` is a defect or an outage, and is answered 500 or 503.
 */
export class Problem extends Error {
  readonly status: number;
  readonly fields: FieldProblem[] | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(
    readonly slug: ProblemSlug,
    readonly detail: string,
    options: ProblemOptions = {},
  ) {
    super(`${slug}: ${detail}`, { cause: options.cause });
    this.name = 'Problem';
    this.status = problemStatus[slug];
    this.fields = options.fields;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** How one item of a batch ended: its value, or the problem that it alone met. */
export type Outcome<T> = { value: T; problem?: undefined } | { problem: Problem; value?: undefined };

import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { Scope } from '../config/api-keys.js';
import { Problem, type FieldProblem, type ProblemSlug } from '../message/problem.js';

/** Who may call: everyone, another node of this store, or keys with one of the scopes. */
export type Access = 'open' | 'node' | readonly Scope[];

export interface Answer {
  description: string;
  /** Absent: no body. */
  schema?: z.ZodType;
  /** Default `application/json`. */
  mediaType?: string;
}

/** One call of the HTTP contract: its only description, from which validation, types and OpenAPI come. */
export interface EndpointSpec<Params, Query, Body> {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With `:name` parameters. */
  path: string;
  /** Heading under which the documentation lists it. */
  tag: string;
  summary: string;
  description?: string;
  access: Access;
  /** Strict: parameters that it does not name are refused. */
  params?: z.ZodType<Params>;
  query?: z.ZodType<Query>;
  body?: z.ZodType<Body>;
  /** The body may be left out; it then counts as `{}`. */
  bodyOptional?: boolean;
  /** It brings messages to store: in an overload it is refused before its body is read, so that what ends work goes on. */
  bringsWork?: boolean;
  answers: Record<number, Answer>;
  /** Refusals of its own; those that every call shares (400, 401, 403, 415, 429, 503) need not be named. */
  problems?: readonly ProblemSlug[];
}

/** What a call was given, checked. */
export interface Input<Params, Query, Body> {
  params: Params;
  query: Query;
  body: Body;
}

export class Endpoint<Params = unknown, Query = unknown, Body = unknown> {
  #bodyLeftOut: Body | undefined;

  constructor(readonly spec: EndpointSpec<Params, Query, Body>) {}

  /** The checked input of a request. Throws `Problem('validation-failed')` with every field that is wrong. */
  read(request: FastifyRequest): Input<Params, Query, Body> {
    const { spec } = this;
    const problems: FieldProblem[] = [];
    const params = spec.params ? check(spec.params, request.params, problems) : undefined;
    const query = this.#readQuery(request, problems);
    const body = this.#readBody(request.body, problems);
    if (problems.length > 0) throw invalidInput(problems);
    // Every part was checked above; one without a schema has the type undefined.
    return { params, query, body } as Input<Params, Query, Body>;
  }

  #readQuery(request: FastifyRequest, problems: FieldProblem[]): Query | undefined {
    const { query } = this.spec;
    if (query) return check(query, request.query, problems);
    for (const name in request.query as Record<string, unknown>) problems.push(unknownField(name));
    return undefined;
  }

  #readBody(given: unknown, problems: FieldProblem[]): Body | undefined {
    const { body, bodyOptional } = this.spec;
    const missing = given === undefined || given === null;
    if (!body) {
      if (!missing) problems.push({ path: '', reason: 'this call takes no body' });
      return undefined;
    }
    if (given === undefined && !bodyOptional) {
      problems.push({ path: '', reason: 'a JSON body is missing' });
      return undefined;
    }
    return given === undefined ? this.#leftOut(body) : check(body, given, problems);
  }

  /** What a body that is left out counts as. Read once: most commits have none. */
  #leftOut(body: z.ZodType<Body>): Body {
    return (this.#bodyLeftOut ??= Object.freeze(body.parse({})));
  }
}

/** Declares one call of the contract. */
export function endpoint<Params = undefined, Query = undefined, Body = undefined>(
  spec: EndpointSpec<Params, Query, Body>,
): Endpoint<Params, Query, Body> {
  return new Endpoint(spec);
}

/** Problems that one refusal tells of at most: it is never as large as what it refuses. */
const problemsMax = 100;
/** Characters of a path that are told; a name in it may be as long as the request. */
const pathLengthMax = 256;

/** Checks a value against a schema; problems are added to the list, until it is full. */
export function check<T>(schema: z.ZodType<T>, value: unknown, problems: FieldProblem[]): T | undefined {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  for (const issue of worded(schema, value, result.error.issues)) {
    if (problems.length >= problemsMax) break;
    problems.push(...fieldProblems(issue).slice(0, problemsMax - problems.length));
  }
  return undefined;
}

/** Reasons are made by a second parse: passing them along would make every good request dearer, and very bad ones too. */
function worded<T>(schema: z.ZodType<T>, value: unknown, issues: z.core.$ZodIssue[]): z.core.$ZodIssue[] {
  return issues.length > problemsMax ? issues : (schema.safeParse(value, inWords).error?.issues ?? issues);
}

const absent = new Set(['invalid_type', 'invalid_value', 'invalid_union']);

/** Reasons where the schema gives none and the library's words would say less. */
const inWords: z.core.ParseContext<z.core.$ZodIssue> = {
  error: (issue) => {
    if (issue.input === undefined && absent.has(issue.code)) return 'is missing';
    if (issue.code === 'invalid_type') return `expected ${issue.expected}, got ${kindOf(issue.input)}`;
    return undefined;
  },
};

/** The library's words for an input that is none of several forms, where the schema has none of its own. */
const unsaid = 'Invalid input';

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

/** The refusal of an input with these problems. */
export function invalidInput(problems: FieldProblem[]): Problem {
  const shown = problems.slice(0, 3).map(({ path, reason }) => (path === '' ? reason : `${path}: ${reason}`));
  const left = problems.length >= problemsMax ? 'many' : problems.length - shown.length;
  const more = problems.length > shown.length ? ` (and ${left} more)` : '';
  return new Problem('validation-failed', shown.join('; ') + more, { fields: problems });
}

function unknownField(path: string): FieldProblem {
  return { path, reason: 'unknown field' };
}

/** What is wrong by the form that was probably meant: the one with the fewest wrong fields. */
function nearestForm(issue: z.core.$ZodIssueInvalidUnion): FieldProblem[] {
  const forms = issue.errors.map((issues) =>
    issues.slice(0, problemsMax).flatMap((inner) => fieldProblems({ ...inner, path: [...issue.path, ...inner.path] })),
  );
  const fewest = Math.min(...forms.map((problems) => problems.length));
  return forms.find((problems) => problems.length === fewest) ?? [];
}

function fieldProblems(issue: z.core.$ZodIssue): FieldProblem[] {
  const place = issue.path.map(String).join('.').slice(0, pathLengthMax);
  if (issue.code === 'unrecognized_keys') {
    const keys = issue.keys.slice(0, problemsMax).map((key) => key.slice(0, pathLengthMax));
    return keys.map((key) => unknownField(place === '' ? key : `${place}.${key}`));
  }
  if (issue.code === 'invalid_union' && issue.message === unsaid) return nearestForm(issue);
  return [{ path: place, reason: issue.message }];
}

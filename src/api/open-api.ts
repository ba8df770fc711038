import { z } from 'zod';
import { problemStatus, type ProblemSlug } from '../message/problem.js';
import type { Answer, Endpoint } from './endpoint.js';
import { manyMessages } from './endpoints/messages.js';
import { problemMediaType } from './problem-json.js';
import { problem } from './schemas/problem.js';

type Json = Record<string, unknown>;

const refersTo = (name: string) => `#/components/schemas/${name}`;
const sharedProblems: ProblemSlug[] = ['validation-failed', 'unauthorized', 'forbidden', 'overloaded', 'unavailable'];

/** Schemas as JSON Schema; those with an id are collected as components. */
class Components {
  readonly schemas: Json = {};

  of(schema: z.ZodType, io: 'input' | 'output'): Json {
    const {
      $schema: _dialect,
      $defs,
      ...json
    } = z.toJSONSchema(schema, {
      io,
      unrepresentable: 'any',
      reused: 'inline',
    }) as Json & { $defs?: Json };
    for (const [name, definition] of Object.entries($defs ?? {})) this.schemas[name] = forDocument(definition);
    return forDocument(json) as Json;
  }
}

/** Points references at the components, and leaves out bounds that say no more than that a number is an integer. */
function forDocument(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(forDocument);
  if (typeof json !== 'object' || json === null) return json;
  return Object.fromEntries(
    Object.entries(json)
      .filter(([, value]) => typeof value !== 'number' || Math.abs(value) !== Number.MAX_SAFE_INTEGER)
      .map(([name, value]) => {
        if (name === '$ref' && typeof value === 'string') return [name, value.replace('#/$defs/', refersTo(''))];
        return [name, forDocument(value)];
      }),
  );
}

/** The OpenAPI 3.1 document of these endpoints. Calls between nodes are left out. */
export function openApi(endpoints: Iterable<Endpoint>): Json {
  const components = new Components();
  components.of(problem, 'output');
  components.of(manyMessages, 'input');
  const paths: Record<string, Json> = {};
  for (const endpoint of endpoints) {
    const { method, path, access } = endpoint.spec;
    if (access === 'node') continue;
    const operations = (paths[path.replace(/:([A-Za-z]+)/g, '{$1}')] ??= {});
    operations[method.toLowerCase()] = operationOf(endpoint, components);
  }
  const schemas = Object.fromEntries(Object.entries(components.schemas).sort(([a], [b]) => a.localeCompare(b)));
  return {
    openapi: '3.1.0',
    info: {
      title: 'Halfbox',
      version: '1',
      description:
        'Transactional messages. Times are ISO 8601 in UTC with milliseconds; lengths of time are milliseconds. ' +
        'Unknown fields and query parameters are refused. Refusals are RFC 9457 problems.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths,
    components: { schemas, securitySchemes: { apiKey: { type: 'http', scheme: 'bearer' } } },
  };
}

function operationOf({ spec }: Endpoint, components: Components): Json {
  const operation: Json = {
    operationId: `${spec.method} ${spec.path}`
      .toLowerCase()
      .replace(/[^a-z]+/g, '-')
      .replace(/-$/, ''),
    tags: [spec.tag],
    summary: spec.summary,
    ...(spec.description === undefined ? {} : { description: spec.description }),
    security: spec.access === 'open' ? [] : [{ apiKey: [] }],
    ...(typeof spec.access === 'string' ? {} : { 'x-scopes': spec.access }),
    parameters: [...parametersOf(spec.params, 'path', components), ...parametersOf(spec.query, 'query', components)],
  };
  if (spec.body) {
    const schema = components.of(spec.body, 'input');
    operation.requestBody = { required: !spec.bodyOptional, content: { 'application/json': { schema } } };
  }
  operation.responses = { ...answersOf(spec.answers, components), ...problemsOf(spec) };
  return operation;
}

function parametersOf(schema: z.ZodType | undefined, place: 'path' | 'query', components: Components): Json[] {
  if (!schema) return [];
  const { properties = {}, required = [] } = components.of(schema, 'input') as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, { description, ...property }]) => ({
    name,
    in: place,
    required: required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema: property,
  }));
}

function answersOf(answers: Record<number, Answer>, components: Components): Json {
  return Object.fromEntries(
    Object.entries(answers).map(([status, { description, schema, mediaType }]) => {
      if (!schema && !mediaType) return [status, { description }];
      const content = { [mediaType ?? 'application/json']: schema ? { schema: components.of(schema, 'output') } : {} };
      return [status, { description, content }];
    }),
  );
}

function problemsOf({ access, problems = [] }: Endpoint['spec']): Json {
  const slugs = [...(access === 'open' ? [] : sharedProblems), ...problems];
  const byStatus = new Map<number, string[]>();
  for (const slug of slugs) byStatus.set(problemStatus[slug], [...(byStatus.get(problemStatus[slug]) ?? []), slug]);
  const content = { [problemMediaType]: { schema: { $ref: refersTo('Problem') } } };
  return Object.fromEntries(
    [...byStatus].map(([status, names]) => [status, { description: names.join(', '), content }]),
  );
}

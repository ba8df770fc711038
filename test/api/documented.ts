import type { Endpoint } from '../../src/api/endpoint.js';
import { endpoints } from '../../src/api/endpoints.js';
import { problem } from '../../src/api/schemas/problem.js';
import { healthParts } from '../../src/api/schemas/operations.js';
import type { Answer } from './running-broker.js';

const patterns = endpoints.map((endpoint) => ({
  endpoint,
  pattern: new RegExp(`^${endpoint.spec.path.replace(/[.]/g, '\\.').replace(/:[a-z]+/gi, '[^/]+')}$`),
}));

/** The endpoint that serves a call; one with a fixed path goes before one with a parameter. */
export function endpointOf(method: string, path: string): Endpoint | undefined {
  const plain = path.split('?')[0]!;
  const served = patterns.filter(({ endpoint, pattern }) => endpoint.spec.method === method && pattern.test(plain));
  return (served.find(({ endpoint }) => endpoint.spec.path === plain) ?? served[0])?.endpoint;
}

/** Throws where an answer is not the one that the contract describes: its status, its media type, every field. */
export function assertDocumented(method: string, path: string, answer: Answer): void {
  const contentType = answer.headers.get('content-type') ?? '';
  const call = `${method} ${path} → ${answer.status}`;
  if (answer.status >= 400) {
    if (!contentType.startsWith('application/problem+json')) throw new Error(`${call}: ${contentType} ${answer.text}`);
    const schema = answer.status === 503 && path === '/health/ready' ? problem.extend(healthParts.shape) : problem;
    const { status } = schema.parse(answer.body);
    if (status !== answer.status) throw new Error(`${call}: the problem says ${status}`);
    return;
  }
  const documented = endpointOf(method, path)?.spec.answers[answer.status];
  if (!documented) throw new Error(`${call} is not documented`);
  if (documented.schema) {
    const checked = documented.schema.safeParse(answer.body);
    if (!checked.success) throw new Error(`${call}: ${checked.error.message} in ${answer.text.slice(0, 500)}`);
  }
  if (answer.status === 204 && answer.text !== '') throw new Error(`${call}: a body`);
}

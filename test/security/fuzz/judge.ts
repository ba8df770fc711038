import { Ajv2020 } from 'ajv/dist/2020.js';
import { problemStatus, type ProblemSlug } from '../../../src/message/problem.js';
import type { RawAnswer } from './connection.js';
import { operationsOf, type OpenApiDocument, type Operation } from './open-api-document.js';
import type { FuzzRequest } from './requests.js';

const documentId = 'https://halfbox.invalid/';
const problemType = 'urn:halfbox:problem:';

/** What a valid request may still be refused for: what no schema says, because it is between fields or in the state. */
const rulesBeyondTheSchema =
  /^(give exactly one of|give delayMs or deliverAt|by and reason go together|excludes |is for mode |is missing$|goes with initialMs|more than|makes a loop|no such transport|must be a receipt|expected \* or tags|not a page|expected a whole|occurs twice|give ids, or topic and group|has a number that cannot be kept|has a __proto__ member|must be the next of|is not the `next`)/;

/** Statuses of what is refused before it is known to be a call: too slow, expecting the impossible, too large. */
const beforeTheContract = new Set([408, 417, 431]);

/** Says whether an answer is one that the broker's own contract allows. */
export class Judge {
  readonly #ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: false });
  readonly #operations: { operation: Operation; pattern: RegExp }[];
  readonly #documented = new Map<string, (value: unknown) => boolean>();
  /** Operations, and the statuses that they were seen to answer. */
  readonly seen = new Map<string, Set<number>>();

  constructor(document: OpenApiDocument) {
    this.#ajv.addSchema({ $id: documentId, components: document.components });
    const operations = operationsOf(document);
    // One with a fixed path goes before one with a parameter.
    operations.sort((a, b) => a.parameters.length - b.parameters.length);
    this.#operations = operations.map((operation) => ({
      operation,
      pattern: new RegExp(`^${operation.path.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]+')}$`),
    }));
  }

  /** Throws where the answer breaks the contract. */
  check(request: FuzzRequest, answer: RawAnswer): void {
    const { status } = answer;
    this.#note(request, status);
    const complain = (what: string): never => {
      const body = request.body === null ? 'no body' : request.body.toString('latin1').slice(0, 1_000);
      const sent = `${request.method} ${request.target.slice(0, 500)} ${JSON.stringify(request.headers)} ${body}`;
      throw new Error(
        `${status} ${what}: ${answer.body.toString().slice(0, 400)}\nfor ${sent}\nafter ${answer.before?.slice(0, 1_000)}`,
      );
    };
    if (status >= 500) complain('is a failure of the broker');
    // The answer to HEAD has the headers of the answer to GET, and nothing else.
    if (request.method === 'HEAD') return;
    if (status >= 400) return this.#checkProblem(request, answer, complain);
    const operation = this.#operationOf(request) ?? complain('of no operation that is documented');
    const described = operation.responses[status] ?? complain(`is not documented for ${operation.name}`);
    const schema = described.content?.['application/json']?.schema;
    if (!schema) return;
    const validate = this.#validator(`${operation.name} ${status}`, schema);
    if (!validate(JSON.parse(answer.body.toString()))) {
      complain(`is not as documented (${JSON.stringify((validate as { errors?: unknown }).errors)})`);
    }
  }

  #note({ operation }: FuzzRequest, status: number): void {
    let statuses = this.seen.get(operation);
    if (!statuses) this.seen.set(operation, (statuses = new Set()));
    statuses.add(status);
  }

  #checkProblem(request: FuzzRequest, answer: RawAnswer, complain: (what: string) => never): void {
    const type = answer.headers['content-type'] ?? '';
    if (!/^application\/problem\+json(; charset=utf-8)?$/.test(type)) complain(`of type "${type}"`);
    const problem = JSON.parse(answer.body.toString()) as {
      type: string;
      status: number;
      errors?: { reason: string }[];
    };
    const validate = this.#validator('Problem', { $ref: '#/components/schemas/Problem' });
    if (!validate(problem)) complain('is no problem of the contract');
    const slug = problem.type.replace(problemType, '') as ProblemSlug;
    if (!(slug in problemStatus)) complain('of a type that is not part of the contract');
    const beforeAnyCall = slug === 'validation-failed' && beforeTheContract.has(answer.status);
    if (problem.status !== answer.status || (problemStatus[slug] !== answer.status && !beforeAnyCall)) {
      complain('of two minds');
    }
    if (!request.valid || slug !== 'validation-failed') return;
    const beyond = (problem.errors ?? []).every(({ reason }) => rulesBeyondTheSchema.test(reason));
    if (!beyond) complain('refuses what the document says it takes');
  }

  #operationOf({ method, target }: FuzzRequest): Operation | undefined {
    const path = target.split('?', 1)[0]!;
    return this.#operations.find(({ operation, pattern }) => operation.method === method && pattern.test(path))
      ?.operation;
  }

  #validator(name: string, schema: object): (value: unknown) => boolean {
    let validate = this.#documented.get(name);
    if (!validate) {
      const absolute = JSON.parse(JSON.stringify(schema).replaceAll('"#/', `"${documentId}#/`)) as object;
      this.#documented.set(name, (validate = this.#ajv.compile(absolute)));
    }
    return validate;
  }
}

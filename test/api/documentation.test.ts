import { Ajv2020 } from 'ajv/dist/2020.js';
import { endpoints } from '../../src/api/endpoints.js';
import { RunningBroker } from './running-broker.js';

interface Schema {
  $ref?: string;
  [name: string]: unknown;
}

interface Operation {
  operationId: string;
  summary: string;
  parameters: { name: string; in: string; required: boolean; schema: Schema }[];
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses: Record<string, { description: string; content?: Record<string, { schema?: Schema }> }>;
}

describe('the documentation', () => {
  let broker: RunningBroker;
  let document: {
    openapi: string;
    paths: Record<string, Record<string, Operation>>;
    components: { schemas: Record<string, Schema> };
  };

  beforeAll(async () => {
    broker = await RunningBroker.start({ apiKeys: 'ops:secret:admin' });
    document = (await broker.get('/openapi.json')).body;
  });

  afterAll(() => broker.stop());

  const operations = () => Object.values(document.paths).flatMap((methods) => Object.values(methods));

  it('is OpenAPI 3.1 with every call of the contract', () => {
    expect(document.openapi).toBe('3.1.0');
    const listed = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const served = endpoints
      .filter(({ spec }) => spec.access !== 'node')
      .map(({ spec }) => `${spec.method} ${spec.path.replace(/:([a-zA-Z]+)/g, '{$1}')}`);
    expect(listed.sort()).toEqual(served.sort());
    expect(new Set(operations().map(({ operationId }) => operationId)).size).toBe(operations().length);
    for (const [path, methods] of Object.entries(document.paths)) {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      for (const { parameters } of Object.values(methods)) {
        expect(parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name)).toEqual(named);
      }
    }
  });

  it('refers only to schemas that are there, and every schema is valid JSON Schema', () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema({ $id: 'https://halfbox.invalid/', components: document.components });
    const schemas = operations().flatMap(({ parameters, requestBody, responses }) => [
      ...parameters.map(({ schema }) => schema),
      ...Object.values(requestBody?.content ?? {}).map(({ schema }) => schema),
      ...Object.values(responses).flatMap(({ content }) =>
        Object.values(content ?? {}).flatMap(({ schema }) => schema ?? []),
      ),
    ]);
    expect(schemas.length).toBeGreaterThan(100);
    for (const schema of [...schemas, ...Object.values(document.components.schemas)]) {
      const absolute = JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"https://halfbox.invalid/#/')) as Schema;
      expect(() => ajv.compile(absolute)).not.toThrow();
    }
  });

  it('takes what the broker takes, and refuses what it refuses', () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema({ $id: 'https://halfbox.invalid/', components: document.components });
    const takes = (name: string, value: unknown) =>
      ajv.validate(`https://halfbox.invalid/#/components/schemas/${name}`, value);
    expect(takes('Message', { topic: 'orders', body: { a: 1 }, delayMs: 5 })).toBe(true);
    expect(takes('Message', { topic: 'orders', body: 1, colour: 1 })).toBe(false);
    expect(takes('Message', { topic: 'or ders', body: 1 })).toBe(false);
    expect(takes('SubscriptionSettings', { mode: 'pull' })).toBe(true);
    expect(takes('SubscriptionSettings', { mode: 'pull', maxAttempts: 101 })).toBe(false);
    expect(takes('SubscriptionSettings', { mode: 'pull', retry: { fixedMs: 1 }, startFrom: 'earliest' })).toBe(true);
  });

  it('shows limits of lists as numbers, and flags as booleans', () => {
    const parametersOf = (path: string) =>
      Object.fromEntries(
        document.paths[path]!['get']!.parameters.map((parameter) => [parameter.name, parameter.schema]),
      );
    expect(parametersOf('/v1/topics')['limit']).toMatchObject({
      type: 'integer',
      minimum: 1,
      maximum: 500,
    });
    expect(parametersOf('/v1/transactions/{id}')['bodies']).toMatchObject({ type: 'boolean' });
  });

  it('is readable without a key and without a network', async () => {
    const page = await broker.get('/docs');
    expect(page.headers.get('content-type')).toMatch(/^text\/html/);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
    expect(page.text).not.toMatch(/https?:\/\//);
    const assets = [...page.text.matchAll(/(?:src|href)="(docs\/[^"]+)"/g)].map((match) => match[1]!);
    expect(assets.length).toBe(3);
    for (const asset of assets) {
      const { status, text } = await broker.get(`/${asset}`);
      expect([asset, status, text.length > 50]).toEqual([asset, 200, true]);
    }
    for (const other of ['package.json', '..%2f..%2fpackage.json', 'index.html']) {
      expect((await broker.get(`/docs/${other}`)).status).toBe(400);
    }
  });
});

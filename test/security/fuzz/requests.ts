import fc, { type Arbitrary } from 'fast-check';
import { hostileBytes, hostileTexts, nearly, strangeValue } from './hostile-values.js';
import type { OpenApiDocument, Operation } from './open-api-document.js';
import { validValue } from './valid-values.js';

/** A request as it goes over the wire. `valid`: all of it is what the document says that the broker takes. */
export interface FuzzRequest {
  operation: string;
  valid: boolean;
  method: string;
  /** The target of the request line, ASCII. */
  target: string;
  headers: [name: string, value: string][];
  body: Buffer | null;
  /** With a length, or in chunks of so many bytes. */
  chunkBytes?: number | undefined;
}

/** The key that requests are sent with: it may do everything. */
export const fuzzKey = 'fuzz-secret';

/** Pieces of a target that are hardly a name. */
const hostilePieces = [
  '',
  '.',
  '..',
  '%2e%2e',
  '%2f',
  'a%2fb',
  '..%2f..%2fmetrics',
  '%',
  '%0',
  '%zz',
  '%00',
  'a%00b',
  '%0d%0aset-cookie:%20x=1',
  '%ff%fe',
  '%E0%A4%A',
  '%c0%ae%c0%ae',
  '%ed%a0%80',
  'a;b=c',
  'a:b',
  '*',
  '~',
  '"',
  "'%20or%201=1",
  '<script>',
  '{id}',
  '[::1]',
  '\\..\\x',
  '%F0%9F%98%80',
  'constructor',
  '__proto__',
  'x'.repeat(200),
  'x'.repeat(3_000),
  '%61'.repeat(1_000),
];

const hostileHeaders: [string, string][] = [
  ['content-type', 'application/json; charset=utf-16'],
  ['content-type', 'application/x-www-form-urlencoded'],
  ['content-type', 'multipart/form-data; boundary=x'],
  ['content-type', 'text/plain'],
  ['content-type', 'application/problem+json'],
  ['content-type', ''],
  ['content-type', ';'],
  ['content-type', `application/json; ${'a=b;'.repeat(500)}`],
  ['content-encoding', 'gzip'],
  ['content-encoding', 'identity, identity'],
  ['authorization', ''],
  ['authorization', 'Bearer'],
  ['authorization', `Bearer ${'x'.repeat(4_000)}`],
  ['authorization', `Bearer${' '.repeat(4_000)}x`],
  ['authorization', 'Basic ZnV6ejpmdXp6'],
  ['authorization', 'Bearer \xff\xfe'],
  ['halfbox-node', 'guessed'],
  ['halfbox-node', ''],
  ['expect', '100-continue'],
  ['expect', 'the unexpected'],
  ['connection', 'close'],
  ['connection', 'upgrade'],
  ['upgrade', 'websocket'],
  ['upgrade', 'h2c'],
  ['sec-websocket-key', 'short'],
  ['sec-websocket-version', '99'],
  ['sec-websocket-version', '13'],
  ['sec-websocket-protocol', ',,'],
  ['accept', '*/*;q=9'],
  ['accept', 'text/html'],
  ['accept-encoding', 'gzip;q=0'],
  ['host', 'evil.example'],
  ['origin', 'null'],
  ['x-forwarded-for', "127.0.0.1'"],
  ['x-http-method-override', 'DELETE'],
  ['range', 'bytes=0-1'],
  ['if-match', '*'],
  ['accept-version', '1.2.3'],
  ['cookie', 'a=b; '.repeat(300)],
  ['x', 'y'.repeat(8_000)],
];

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PURGE', 'QUERY'];

const usualHeaders: [string, string][] = [
  ['host', '127.0.0.1'],
  ['authorization', `Bearer ${fuzzKey}`],
];

/** Requests to one operation: as described, wrong in one place, and hostile. */
export function requestTo(operation: Operation, document: OpenApiDocument): Arbitrary<FuzzRequest> {
  const valid = validRequest(operation, document);
  return fc.oneof(
    { arbitrary: valid, weight: 4 },
    { arbitrary: withBody(valid, nearBody(operation, document)), weight: 3 },
    { arbitrary: withBody(valid, hostileBytes), weight: 1 },
    { arbitrary: hostileTarget(operation, document, valid), weight: 2 },
    { arbitrary: hostileAround(valid), weight: 2 },
  );
}

function validRequest(operation: Operation, document: OpenApiDocument): Arbitrary<FuzzRequest> {
  const body = operation.requestBody;
  const schema = body?.content['application/json']?.schema;
  const json = schema ? validValue(schema, document).map((value) => Buffer.from(JSON.stringify(value))) : null;
  const bodies = json === null ? fc.constant(null) : body!.required ? json : fc.option(json, { freq: 4 });
  const chunks = fc.option(fc.constantFrom(1, 7, 4_096), { nil: undefined, freq: 6 });
  return fc.tuple(validTarget(operation, document), bodies, chunks).map(([target, bytes, chunkBytes]) => ({
    operation: operation.name,
    valid: true,
    method: operation.method,
    target,
    headers: bytes === null ? usualHeaders : [...usualHeaders, ['content-type', 'application/json']],
    body: bytes,
    // A body of many one-byte chunks is only slow.
    chunkBytes: bytes !== null && bytes.length < 2_000 ? chunkBytes : undefined,
  }));
}

function validTarget({ path, parameters }: Operation, document: OpenApiDocument): Arbitrary<string> {
  const values = parameters.map(({ name, schema, required }) => {
    const text = validValue(schema, document, name).map((value) => encodeURIComponent(String(value)));
    return (required ? text : fc.option(text)).map((value) => ({ name, value }));
  });
  return fc.tuple(...values).map((given) => targetOf(path, parameters, given));
}

function targetOf(
  path: string,
  parameters: Operation['parameters'],
  given: { name: string; value: string | null }[],
): string {
  let target = path;
  const query: string[] = [];
  for (const [index, { name, value }] of given.entries()) {
    if (value === null) continue;
    if (parameters[index]!.in === 'path') target = target.replace(`{${name}}`, () => value);
    else query.push(`${name}=${value}`);
  }
  return query.length === 0 ? target : `${target}?${query.join('&')}`;
}

function withBody(valid: Arbitrary<FuzzRequest>, bodies: Arbitrary<Buffer>): Arbitrary<FuzzRequest> {
  return fc.tuple(valid, bodies).map(([request, body]) => ({
    ...request,
    valid: false,
    headers: [...usualHeaders, ['content-type', 'application/json']],
    body,
    chunkBytes: body.length < 2_000 ? request.chunkBytes : undefined,
  }));
}

function nearBody({ requestBody }: Operation, document: OpenApiDocument): Arbitrary<Buffer> {
  const schema = requestBody?.content['application/json']?.schema;
  const near = schema ? nearly(validValue(schema, document)) : strangeValue;
  return near.map((value) => Buffer.from(JSON.stringify(value)));
}

/** Hostile pieces in the place of parameters, and parameters that nobody asked for. */
function hostileTarget(
  { path, parameters }: Operation,
  document: OpenApiDocument,
  valid: Arbitrary<FuzzRequest>,
): Arbitrary<FuzzRequest> {
  const piece = fc.oneof(
    fc.constantFrom(...hostilePieces),
    fc.constantFrom(...hostileTexts).map((text) => encodeURIComponent(text.replace(/\p{Cs}/gu, '\ufffd'))),
  );
  const values = parameters.map(({ name, schema }) => {
    const usual = validValue(schema, document, name).map((value) => encodeURIComponent(String(value)));
    return fc.oneof(usual, piece).map((value) => ({ name, value }));
  });
  const more = fc.constantFrom(
    '',
    '&limit=1&limit=2',
    '&a[b]=1',
    '&__proto__=1',
    '&%',
    '&=',
    '&a',
    `&${'a&'.repeat(2_000)}`,
  );
  const target = fc.tuple(fc.tuple(...values), more).map(([given, added]) => {
    const made = targetOf(path, parameters, given);
    return added === '' || made.includes('?') ? made + added : `${made}?${added.slice(1)}`;
  });
  return fc.tuple(valid, target).map(([request, made]) => ({ ...request, valid: false, target: made }));
}

/** What a request says of itself is wrong: its headers, doubled ones too, or its method. */
function hostileAround(valid: Arbitrary<FuzzRequest>): Arbitrary<FuzzRequest> {
  const headers = fc.array(fc.constantFrom(...hostileHeaders), { minLength: 1, maxLength: 3 });
  return fc
    .tuple(valid, headers, fc.option(fc.constantFrom(...methods)), fc.boolean())
    .map(([request, added, method, replaces]) => {
      const names = new Set(added.map(([name]) => name));
      const kept = replaces ? request.headers.filter(([name]) => !names.has(name)) : request.headers;
      return { ...request, valid: false, method: method ?? request.method, headers: [...kept, ...added] };
    });
}

/** The bytes of a request. */
export function bytesOf({ method, target, headers, body, chunkBytes }: FuzzRequest): Buffer {
  const lines = [`${method} ${target} HTTP/1.1`, ...headers.map(([name, value]) => `${name}: ${value}`)];
  if (body !== null)
    lines.push(chunkBytes === undefined ? `content-length: ${body.length}` : 'transfer-encoding: chunked');
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  if (body === null) return head;
  return Buffer.concat([head, ...(chunkBytes === undefined ? [body] : chunked(body, chunkBytes))]);
}

function chunked(body: Buffer, size: number): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) {
    const chunk = body.subarray(at, at + size);
    parts.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n'));
  }
  return [...parts, Buffer.from('0\r\n\r\n')];
}

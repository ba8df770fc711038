import fc, { type Arbitrary } from 'fast-check';
import { resolved, type OpenApiDocument, type Schema } from './open-api-document.js';

/** A text that is replaced by a receipt of a delivery when the request is sent, where the broker has given one. */
export const receiptMark = 'RECEIPT-OF-A-DELIVERY';

/**
 * Names that requests share, so that they meet what others have made. Waits are short, so that an answer that is late
 * is late for no reason; targets are of this machine, with nobody there.
 */
const shared: Record<string, unknown[]> = {
  topic: ['orders', 'orders', 'bills', 'a.b-c_1'],
  group: ['billing', 'billing', 'mail'],
  producer: ['shop', 'shop', 'bank'],
  id: ['1', '2', '3', '4', '5', '6', 'a:b.c_d-e', 'Z'.repeat(64)],
  instance: ['one', 'two'],
  key: ['k1', 'k2'],
  orderingKey: ['o1', 'o2'],
  waitMs: [0, 1, 20],
  shards: [1, 4],
  url: ['http://127.0.0.1:9/', 'https://[::1]:9/x?y=z'],
  receipts: [[receiptMark], [receiptMark, receiptMark]],
  commit: [['1'], ['2', '3', 'nobody']],
  rollback: [['4'], []],
};

/** Dates that are not so far away that no calendar has them. */
const date = fc
  .date({ min: new Date('0001-01-02T00:00:00Z'), max: new Date('9998-12-31T00:00:00Z'), noInvalidDate: true })
  .map((value) => value.toISOString());

/** Values that a schema takes. */
export function validValue(schema: Schema, document: OpenApiDocument, name = ''): Arbitrary<unknown> {
  const usual = ofSchema(resolved(schema, document), document);
  const known = shared[name];
  if (!known) return usual;
  const common = fc.constantFrom(...known);
  // A wait is never long; everything else may be anything that its schema takes, now and then.
  return name === 'waitMs' || name === 'url'
    ? common
    : fc.oneof({ arbitrary: common, weight: 7 }, { arbitrary: usual, weight: 1 });
}

function ofSchema(schema: Schema, document: OpenApiDocument): Arbitrary<unknown> {
  if ('const' in schema) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  const forms = schema.anyOf ?? schema.oneOf;
  if (forms) return fc.oneof(...forms.map((form) => validValue(form, document)));
  switch (schema.type) {
    case 'string':
      return textOf(schema);
    case 'integer':
      return wholeNumberOf(schema);
    case 'number':
      return fc.double({ min: schema.minimum ?? -1e9, max: schema.maximum ?? 1e9, noNaN: true });
    case 'boolean':
      return fc.boolean();
    case 'array':
      return listOf(schema, document);
    case 'object':
      return objectOf(schema, document);
    default:
      // No type: any JSON.
      return fc.jsonValue({ maxDepth: 4 });
  }
}

function textOf({ pattern, format, contentEncoding, minLength = 0, maxLength = 200 }: Schema): Arbitrary<string> {
  if (format === 'date-time') return date;
  if (contentEncoding === 'base64') return fc.uint8Array({ maxLength: 300 }).map((bytes) => base64Of(bytes));
  const expected = pattern === undefined ? /^/ : new RegExp(pattern, 'u');
  const fits = (text: string): boolean => expected.test(text) && [...text].length >= minLength;
  const words = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);
  const strange = fc.string({ unit: 'binary', minLength: Math.max(minLength, 1), maxLength: Math.min(maxLength, 64) });
  const full = fc.constantFrom('a', 'é', '😀').map((unit) => unit.repeat(maxLength));
  return fc.oneof(words, strange, full).filter(fits);
}

function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

function wholeNumberOf({ minimum = 0, maximum = Number.MAX_SAFE_INTEGER }: Schema): Arbitrary<number> {
  return fc.oneof(fc.integer({ min: minimum, max: maximum }), fc.constantFrom(minimum, maximum));
}

function listOf({ items = {}, minItems = 0, maxItems = 3 }: Schema, document: OpenApiDocument): Arbitrary<unknown[]> {
  return fc.array(validValue(items, document), {
    minLength: minItems,
    maxLength: Math.max(minItems, Math.min(maxItems, 3)),
  });
}

function objectOf(schema: Schema, document: OpenApiDocument): Arbitrary<unknown> {
  const { properties, required = [], propertyNames, additionalProperties } = schema;
  if (properties) {
    const entries = Object.entries(properties).map(([name, of]) => [name, validValue(of, document, name)] as const);
    const loose = fc.record(Object.fromEntries(entries), { requiredKeys: required });
    return fc.oneof({ arbitrary: loose.map(madeToFit), weight: 7 }, { arbitrary: loose, weight: 1 });
  }
  const values = typeof additionalProperties === 'object' ? validValue(additionalProperties, document) : fc.jsonValue();
  return fc.dictionary(validValue(propertyNames ?? { type: 'string' }, document) as Arbitrary<string>, values, {
    maxKeys: 4,
  });
}

/** Takes out what no schema says to exclude each other, so that most requests are taken. */
function madeToFit(value: Record<string, unknown>): Record<string, unknown> {
  const fit = { ...value };
  const drop = (name: string, when: boolean): void => {
    if (when) delete fit[name];
  };
  drop('bodyBase64', 'body' in fit);
  drop('delayMs', 'deliverAt' in fit || fit['release'] === true || fit['deadLetter'] === true);
  drop('deadLetter', fit['release'] === true);
  drop('error', fit['release'] === true);
  drop('ids', 'group' in fit);
  if ('by' in fit !== 'reason' in fit) for (const name of ['by', 'reason']) drop(name, true);
  if ('contentType' in fit && !('bodyBase64' in fit)) fit['body'] ??= null;
  if ('mode' in fit) {
    drop('push', fit['mode'] !== 'push');
    drop('forward', fit['mode'] !== 'forward');
    fit['retry'] = { fixedMs: 5 };
    if (!('push' in fit) && !('forward' in fit) && fit['mode'] !== 'queue') fit['mode'] = 'pull';
  }
  return fit;
}

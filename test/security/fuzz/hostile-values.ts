import fc, { type Arbitrary } from 'fast-check';

/** Texts that parsers, databases and file systems stumble over. */
export const hostileTexts = [
  '',
  ' ',
  '\0',
  'a\0b',
  '\ud800',
  '\udfff\ud800',
  '\ufeff',
  '\u202etxt',
  'a\r\nset-cookie: x=1',
  "' OR 1=1 -- ",
  "'; DROP TABLE halfbox_message; -- ",
  '\\',
  "\\'",
  '${7*7}',
  '{{7*7}}',
  '%00',
  '%s%s%n',
  '../../etc/passwd',
  '..',
  '.',
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'null',
  'NaN',
  '-0',
  '1e999',
  '99999999999999999999',
  'a'.repeat(300),
  'é'.repeat(5_000),
  '😀'.repeat(200),
  `${'a|'.repeat(2_000)}a`,
  ' '.repeat(4_000),
  '0'.repeat(4_000),
  `2026-01-01T00:00:00.${'0'.repeat(4_000)}`,
  '0000-01-01T00:00:00+23:59',
  '9999-12-31T23:59:59.999-23:59',
];

/** JSON that no serialiser writes: as text, because some of it is no value of JavaScript. */
const hostileJson = [
  '',
  ' ',
  'nul',
  'NaN',
  '-',
  '01',
  '1.',
  '.5',
  '"',
  '"\u0001"',
  '"\\x"',
  '"\\ud800"',
  '{',
  '[',
  '[1,]',
  '{"a":1,}',
  '{"a":1 "b":2}',
  "{'a':1}",
  '{"a":1}{"a":1}',
  '{"a":1,"a":2}',
  '{"__proto__":{"admin":true}}',
  '{"constructor":{"prototype":{"admin":true}}}',
  '{"\\u005f_proto__":{"admin":true}}',
  '1e400',
  '-1e400',
  '9007199254740993',
  '-0',
  `${'9'.repeat(5_000)}`,
  `1e-${'9'.repeat(400)}`,
  '['.repeat(20_000),
  '{"a":'.repeat(20_000),
  `${'['.repeat(127)}1${']'.repeat(127)}`,
  `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
  `[${'1,'.repeat(50_000)}1]`,
  `{${Array.from({ length: 20_000 }, (_none, index) => `"k${index}":1`).join(',')}}`,
  '\ufeff{}',
  '/* x */ {}',
  'true',
  'null',
  '[]',
  '"text"',
  '3',
];

/** A value in the place of one that a schema describes: of another type, too large, or just strange. */
export const strangeValue: Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(...hostileTexts, null, true, -1, 0, 1.5, -0, 1e21, 2 ** 53, Number.MAX_VALUE, [], {}, [[]]),
  fc.jsonValue({ maxDepth: 3 }),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constant(Array.from({ length: 1_001 }, () => 'a')),
);

/** Bodies that are hardly JSON, as bytes: hostile texts, invalid UTF-8, nothing but noise. */
export const hostileBytes: Arbitrary<Buffer> = fc.oneof(
  fc.constantFrom(...hostileJson).map((text) => Buffer.from(text)),
  fc
    .constantFrom('{"topic":"orders","body":"\xff"}', '\xc0\xaf', '{"a":"\xed\xa0\x80"}', '\xfe\xff\x00{')
    .map((text) => Buffer.from(text, 'latin1')),
  fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
);

/** A valid value, wrong in one place: a member of another kind, one more, one less, or one that names the prototype. */
export function nearly(valid: Arbitrary<unknown>): Arbitrary<unknown> {
  return fc
    .tuple(valid, strangeValue, fc.nat(), fc.constantFrom('replace', 'remove', 'add', 'own'))
    .map(([value, strange, at, change]) => {
      if (typeof value !== 'object' || value === null) return strange;
      const copy = structuredClone(value) as Record<string, unknown>;
      const names = Object.keys(copy);
      const name = names[at % Math.max(names.length, 1)];
      if (change === 'own' || name === undefined) {
        // As a member of its own, which `JSON.stringify` writes.
        Object.defineProperty(copy, '__proto__', { value: strange, enumerable: true });
      } else if (change === 'add') copy[`x${at % 7}`] = strange;
      else if (change === 'remove') delete copy[name];
      else copy[name] = strange;
      return copy;
    });
}

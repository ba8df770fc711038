import { parseJson } from '../../src/api/json-parser.js';
import { Problem } from '../../src/message/problem.js';

function refusalOf(text: string): string {
  try {
    parseJson(Buffer.from(text));
  } catch (error) {
    if (error instanceof Problem) return error.detail;
    throw error;
  }
  return 'taken';
}

describe('JSON that is made to hurt', () => {
  it.each([
    ['too many digits for any number', '9'.repeat(400)],
    ['the same with a sign', `[-${'9'.repeat(309)}]`],
    ['a number of a million digits', '7'.repeat(1_000_000)],
    ['an exponent that is too large', '1e400'],
  ])('%s is refused like every other number that would change', (_what, text) => {
    expect(refusalOf(text)).toMatch(/^the body has a number that cannot be kept exactly/);
  });

  it('the largest numbers that are kept exactly are taken', () => {
    const largest = BigInt(Number.MAX_VALUE).toString();
    expect(parseJson(Buffer.from(`[${largest},-${largest}]`))).toEqual([Number.MAX_VALUE, -Number.MAX_VALUE]);
  });

  it('no member reaches a prototype, however it is written', () => {
    for (const name of ['__proto__', '\\u005f_proto__', '__pr\\u006Fto__']) {
      expect(refusalOf(`{"a":[{"${name}":{"admin":true}}]}`)).toBe('the body has a __proto__ member');
    }
    // Harmless as members of their own, and names like others.
    const value = parseJson(Buffer.from('{"constructor":{"prototype":{"admin":true}},"toString":1}'));
    expect(Object.keys(value as object)).toEqual(['constructor', 'toString']);
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });
});

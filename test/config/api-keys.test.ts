import { inspect } from 'node:util';
import { ApiKeys, sameSecret } from '../../src/config/api-keys.js';

describe('API keys', () => {
  const keys = ApiKeys.parse('shop:s3cret:produce, worker:a:b:c:consume+admin');

  it('finds the caller of a secret, which may hold colons', () => {
    expect(keys.find('s3cret')).toMatchObject({ name: 'shop', scopes: new Set(['produce']) });
    expect(keys.find('a:b:c')).toMatchObject({ name: 'worker', scopes: new Set(['consume', 'admin']) });
    expect(keys.find('s3cre')).toBeNull();
    expect(keys.find('')).toBeNull();
  });

  it('keeps digests, not secrets', () => {
    expect(inspect(keys, { depth: 9, showHidden: true })).not.toContain('s3cret');
    expect(inspect(keys.find('s3cret'), { depth: 9 })).not.toContain('s3cret');
  });

  it.each([
    ['shop:s3cret', 'key 1: expected name:secret:scope+scope'],
    ['a:x:produce,b::admin', 'key 2 (b): the secret is empty'],
    ['a:x:root', 'key 1 (a): unknown scope; the scopes are produce, consume, admin'],
    ['a b:x:admin', 'key 1: the name must be 1 to 64 of A-Z a-z 0-9 _ -'],
    ['a:x:admin,a:y:admin', 'key 2: the name a is used twice'],
    ['a:x:admin,b:x:admin', 'key 2: its secret is used twice'],
    ['a:x:admin,', 'key 2: expected name:secret:scope+scope'],
  ])('refuses %s', (text, message) => {
    expect(() => ApiKeys.parse(text)).toThrow(message);
  });

  it('compares secrets of any length', () => {
    expect(sameSecret('a', 'a')).toBe(true);
    expect(sameSecret('a', 'ab')).toBe(false);
  });
});

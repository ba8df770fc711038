import { ApiKeys } from '../../src/config/api-keys.js';
import { KnownCallers } from '../../src/http-worker/known-callers.js';

describe('callers of whom a worker keeps a body', () => {
  const node = ApiKeys.storedOf('node', 'between-nodes');

  it('are those with a valid key, and other nodes', () => {
    const known = new KnownCallers(ApiKeys.parse('shop:a:b:produce,ops:c:admin').stored, node);
    expect(known.knows({ authorization: 'Bearer a:b' })).toBe(true);
    expect(known.knows({ authorization: 'bearer  c' })).toBe(true);
    expect(known.knows({ authorization: 'Bearer between-nodes' })).toBe(false);
    expect(known.knows({ authorization: 'Bearer x' })).toBe(false);
    expect(known.knows({})).toBe(false);
    expect(known.knows({ 'halfbox-node': 'between-nodes' })).toBe(true);
    expect(known.knows({ 'halfbox-node': 'x', authorization: 'Bearer c' })).toBe(false);
  });

  it('are all without keys, but for those who pretend to be nodes', () => {
    const known = new KnownCallers([], node);
    expect([known.knows({}), known.knows({ 'halfbox-node': 'x' })]).toEqual([true, false]);
  });

  it('are known by digests: no secret goes to a worker', () => {
    expect(JSON.stringify([ApiKeys.parse('shop:hidden:produce').stored, node])).not.toMatch(/hidden|between-nodes/);
  });
});

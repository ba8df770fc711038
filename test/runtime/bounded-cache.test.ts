import { boundedCache } from '../../src/runtime/bounded-cache.js';

describe('boundedCache', () => {
  it('lets go of the least recently used entry when it is full', () => {
    const cache = boundedCache<number>(2);
    cache.set('a', 1);
    cache.set('b', 2);
    expect(cache.get('a')).toBe(1);
    cache.set('c', 3);
    expect([...cache.keys()].sort()).toEqual(['a', 'c']);
  });

  it('takes no memory for entries that it does not have', () => {
    const { max, maxSize } = boundedCache<number>(10_000);
    expect({ max, maxSize }).toEqual({ max: 0, maxSize: 10_000 });
  });
});

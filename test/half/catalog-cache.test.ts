import { CatalogCache } from '../../src/half/catalog-cache.js';

describe('CatalogCache', () => {
  it('loads a row once for callers that ask at the same time, and again after it was forgotten', async () => {
    let loads = 0;
    const cache = new CatalogCache((name) => Promise.resolve({ name, load: (loads += 1) }));
    const [first, second] = await Promise.all([cache.get('orders'), cache.get('orders')]);
    expect(first).toBe(second);
    expect(cache.peek('orders')).toBe(first);
    cache.forget('orders');
    expect(cache.peek('orders')).toBeNull();
    expect(await cache.get('orders')).toEqual({ name: 'orders', load: 2 });
  });

  it('tells every waiting caller of a failure and does not remember it', async () => {
    let fail = true;
    const cache = new CatalogCache((name) => (fail ? Promise.reject(new Error('away')) : Promise.resolve({ name })));
    const results = await Promise.allSettled([cache.get('orders'), cache.get('orders')]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    fail = false;
    await expect(cache.get('orders')).resolves.toEqual({ name: 'orders' });
  });
});

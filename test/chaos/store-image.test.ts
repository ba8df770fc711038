import { readStore } from './audit/store-image.js';

test('an image of the store is dated before the moment that it shows, so that later answers are not expected in it', async () => {
  let shown = 0;
  const image = await readStore({
    atOnce: async (read) => {
      const begunAt = Date.now();
      while ((shown = Date.now()) === begunAt);
      return read();
    },
    rows: () => Promise.resolve([]),
    close: () => Promise.resolve(),
  });
  expect(image.at).toBeLessThan(shown);
});

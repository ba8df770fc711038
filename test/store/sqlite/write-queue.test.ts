import { WriteQueue } from '../../../src/store/sqlite/write-queue.js';

describe('write queue', () => {
  it('refuses what is beyond its bound, and takes work again when there is room', async () => {
    const queue = new WriteQueue(2);
    let finish: () => void = () => undefined;
    const first = queue.run(() => new Promise<void>((resolve) => (finish = resolve)));
    const second = queue.run(() => Promise.resolve('second'));
    await expect(queue.run(() => Promise.resolve())).rejects.toMatchObject({ slug: 'overloaded', retryAfterMs: 1_000 });
    finish();
    await first;
    expect(await second).toBe('second');
    expect(await queue.run(() => Promise.resolve('third'))).toBe('third');
  });

  it('goes on after work that failed, and is drained when all has ended', async () => {
    const queue = new WriteQueue(10);
    const ended: string[] = [];
    const failed = queue.run(() => Promise.reject(new Error('on purpose')));
    const after = queue.run(() => Promise.resolve(ended.push('after')));
    await expect(failed).rejects.toThrow('on purpose');
    await queue.drained();
    expect(ended).toEqual(['after']);
    await after;
  });
});

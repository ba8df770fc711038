import { GroupCommit } from '../../src/half/group-commit.js';
import { PendingBudget } from '../../src/half/pending-budget.js';
import { Problem, type Outcome } from '../../src/message/problem.js';

const wide = { itemsMax: 1000, bytesMax: 1_000_000 };

/** A store that is told when to finish each batch. */
class HeldStore {
  readonly batches: { items: number[]; finish(): void; fail(error: Error): void }[] = [];

  write = (items: number[]): Promise<Outcome<string>[]> =>
    new Promise((resolve, reject) => {
      this.batches.push({
        items,
        finish: () =>
          resolve(
            items.map((item) =>
              item < 0 ? { problem: new Problem('id-reused', `${item}`) } : { value: `stored ${item}` },
            ),
          ),
        fail: reject,
      });
    });
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('GroupCommit', () => {
  it('writes what one turn brought in one batch, and gathers the next while that one is written', async () => {
    const store = new HeldStore();
    const commits = new GroupCommit(store.write, { ...wide, concurrency: 1 }, new PendingBudget(wide));
    const first = [1, 2, 3].map((item) => commits.add(item, 1));
    await turn();
    const second = [4, 5].map((item) => commits.add(item, 1));
    await turn();
    expect(store.batches.map(({ items }) => items)).toEqual([[1, 2, 3]]);
    store.batches[0]!.finish();
    await expect(Promise.all(first)).resolves.toEqual(['stored 1', 'stored 2', 'stored 3']);
    await turn();
    expect(store.batches[1]!.items).toEqual([4, 5]);
    store.batches[1]!.finish();
    await expect(Promise.all(second)).resolves.toEqual(['stored 4', 'stored 5']);
  });

  it('answers an outcome for each of many items of one caller, whatever batch they end up in', async () => {
    const store = new HeldStore();
    const budget = new PendingBudget({ itemsMax: 6, bytesMax: 100 });
    const commits = new GroupCommit(store.write, { itemsMax: 3, bytesMax: 100, concurrency: 2 }, budget);
    const bad = new Problem('validation-failed', 'no item');
    const items = [1, 2, -3, 4, 5, 6, 7].map((item) => ({ item, bytes: 1 }));
    const together = commits.addAll([bad, ...items]);
    await turn();
    expect(store.batches.map(({ items }) => items)).toEqual([
      [1, 2, -3],
      [4, 5, 6],
    ]);
    store.batches[1]!.fail(new Error('the store broke'));
    store.batches[0]!.finish();
    const outcomes = await together;
    expect(outcomes.map(({ value, problem }) => value ?? problem!.slug)).toEqual([
      'validation-failed',
      'stored 1',
      'stored 2',
      'id-reused',
      'internal',
      'internal',
      'internal',
      'overloaded',
    ]);
    expect(outcomes[4]!.problem!.cause).toMatchObject({ message: 'the store broke' });
    expect(budget.items).toBe(0);
    await expect(commits.addAll([])).resolves.toEqual([]);
  });

  it('gathers for a turn more after a batch of many callers', async () => {
    const store = new HeldStore();
    const commits = new GroupCommit(store.write, { ...wide, concurrency: 1 }, new PendingBudget(wide));
    const many = Array.from({ length: 9 }, (_, item) => commits.add(item, 1));
    await turn();
    store.batches[0]!.finish();
    await Promise.all(many);
    const next = [commits.add(10, 1)];
    await turn();
    next.push(commits.add(11, 1));
    expect(store.batches).toHaveLength(1);
    await turn();
    expect(store.batches[1]!.items).toEqual([10, 11]);
    store.batches[1]!.finish();
    await Promise.all(next);
  });

  it('cuts batches at the bounds of items and bytes, and lets one oversized item go alone', async () => {
    const store = new HeldStore();
    const bounds = { itemsMax: 3, bytesMax: 10, concurrency: 9 };
    const commits = new GroupCommit(store.write, bounds, new PendingBudget(wide));
    const sizes = [1, 1, 1, 6, 6, 50, 1];
    const added = sizes.map((bytes, index) => commits.add(index, bytes));
    await turn();
    expect(store.batches.map(({ items }) => items)).toEqual([[0, 1, 2], [3], [4], [5], [6]]);
    for (const batch of store.batches) batch.finish();
    await Promise.all(added);
  });

  it('lets a bad item fail alone, and a failed batch fail all of its own items only', async () => {
    const store = new HeldStore();
    const commits = new GroupCommit(store.write, { ...wide, concurrency: 1 }, new PendingBudget(wide));
    const results = Promise.allSettled([commits.add(1, 1), commits.add(-2, 1)]);
    await turn();
    const later = commits.add(3, 1);
    store.batches[0]!.finish();
    const [good, bad] = await results;
    expect(good).toMatchObject({ status: 'fulfilled', value: 'stored 1' });
    expect(bad).toMatchObject({ status: 'rejected', reason: { slug: 'id-reused' } });
    await turn();
    store.batches[1]!.fail(new Error('connection lost'));
    await expect(later).rejects.toThrow('connection lost');
    const afterwards = commits.add(4, 1);
    await turn();
    store.batches[2]!.finish();
    await expect(afterwards).resolves.toBe('stored 4');
  });

  it('refuses what is over the budget with 429 and takes more once something is written', async () => {
    const store = new HeldStore();
    const budget = new PendingBudget({ itemsMax: 2, bytesMax: 100 });
    const commits = new GroupCommit(store.write, { ...wide, concurrency: 1 }, budget);
    const added = [commits.add(1, 10), commits.add(2, 10)];
    const refused = () => commits.add(3, 10);
    expect(refused).toThrow(expect.objectContaining({ slug: 'overloaded', status: 429, retryAfterMs: 1000 }));
    await turn();
    store.batches[0]!.finish();
    await Promise.all(added);
    expect(budget.items).toBe(0);
    const large = commits.add(4, 1_000);
    expect(() => commits.add(5, 1)).toThrow(Problem);
    await turn();
    store.batches[1]!.finish();
    await large;
  });

  it('rejects when the store gives fewer outcomes than items', async () => {
    const commits = new GroupCommit<number, string>(
      () => Promise.resolve([{ value: 'only one' }]),
      { ...wide, concurrency: 1 },
      new PendingBudget(wide),
    );
    const results = await Promise.allSettled([commits.add(1, 1), commits.add(2, 1)]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  });
});

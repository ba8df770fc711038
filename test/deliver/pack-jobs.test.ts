import { packJobs } from '../../src/deliver/pack-jobs.js';
import { packIdLead } from '../../src/queue/queue-engine.js';
import type { Delivery } from '../../src/relay/owned-subscription.js';

function deliveries(count: number, changes: Partial<Delivery> = {}, size = 10): Delivery[] {
  return Array.from({ length: count }, (_, offset) => ({
    shard: 1,
    offset,
    attempt: 1,
    generation: 4,
    claimedUntil: 0,
    message: { id: `m${offset}`, topic: 't', storedAt: 0, body: { json: JSON.stringify('x'.repeat(size)) } },
    ...changes,
  }));
}

const sizesOf = (jobs: ReturnType<typeof packJobs>): number[] => jobs.map(({ deliveries: { length } }) => length);

describe('packing jobs', () => {
  it('makes a job of each message where one is all that a job may carry', () => {
    const [first, second] = packJobs(deliveries(2), 1, 1);
    expect([first?.job.id, second?.job.id]).toEqual(['m0:4:1', 'm1:4:1']);
    expect(first?.job.tries).toBeUndefined();
    expect(JSON.parse(first?.job.json ?? '')).toMatchObject({ id: 'm0', shard: 1, offset: 0, attempt: 1 });
  });

  it('packs what there is, in its order, each message with all its fields', () => {
    const jobs = packJobs(deliveries(7), 3, 1_000_000);
    expect(sizesOf(jobs)).toEqual([3, 3, 1]);
    expect(jobs.flatMap(({ deliveries: some }) => some.map(({ offset }) => offset))).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(JSON.parse(jobs[2]?.job.json ?? '')).toEqual({
      messages: [
        {
          id: 'm6',
          topic: 't',
          shard: 1,
          offset: 6,
          attempt: 1,
          bornAt: '1970-01-01T00:00:00.000Z',
          storedAt: '1970-01-01T00:00:00.000Z',
          body: 'xxxxxxxxxx',
        },
      ],
    });
    expect(jobs[2]?.job.tries).toEqual(['m6:4:1']);
    expect(packJobs([], 3, 1_000)).toEqual([]);
  });

  it('keeps a job within its characters, unless one message alone has more', () => {
    expect(sizesOf(packJobs(deliveries(10, {}, 1_000), 256, 3_600))).toEqual([3, 3, 3, 1]);
    const large = deliveries(1, {}, 10_000);
    expect(sizesOf(packJobs([...deliveries(2), ...large, ...deliveries(2)], 256, 1_000))).toEqual([2, 1, 2]);
  });

  it('gives the same tries the same id, and others another one', () => {
    const idOf = (some: Delivery[]): string | undefined => packJobs(some, 256, 1_000_000)[0]?.job.id;
    const ids = [
      deliveries(3),
      deliveries(2),
      deliveries(3).reverse(),
      deliveries(3, { attempt: 2 }),
      deliveries(3, { generation: 5 }),
    ].map(idOf);
    expect(new Set(ids).size).toBe(5);
    expect(idOf(deliveries(3))).toBe(ids[0]);
    for (const id of ids) expect(id?.startsWith(packIdLead)).toBe(true);
  });
});

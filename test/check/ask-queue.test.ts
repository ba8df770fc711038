import { AskQueue } from '../../src/check/ask-queue.js';
import type { ProducerLine } from '../../src/check/producer-line.js';
import type { ClaimedCheck } from '../../src/store/check-store.js';

const bounds = {
  asksMax: 8,
  asksPerProducerMax: 4,
  waitingPerProducerMax: 10,
  backoffMs: 1_000,
  backoffMsMax: 55_000,
};

function checks(producer: string, count: number): ClaimedCheck[] {
  return Array.from({ length: count }, (_, index) => ({
    transactionId: `${producer}-${index}`,
    producer,
    state: 'prepared',
    claimToken: 'token',
    attempt: 1,
    answered: 0,
    preparedAt: 0,
    messageIds: [],
  }));
}

/** A queue whose asks end when the test says so. */
function setUp() {
  const clock = { time: 0, now: () => clock.time };
  const asked: { id: string; line: ProducerLine; end: () => Promise<void> }[] = [];
  const postponed: { ids: string[]; dueAt: number }[] = [];
  const queue = new AskQueue(
    bounds,
    clock,
    (line, check) =>
      new Promise((resolve) => {
        asked.push({
          id: check.transactionId,
          line,
          end: async () => {
            resolve();
            await new Promise((settled) => setImmediate(settled));
          },
        });
      }),
    (given, dueAt) => void postponed.push({ ids: given.map(({ transactionId }) => transactionId), dueAt }),
  );
  const admit = (producer: string, count: number) =>
    queue.admit(producer, checks(producer, count), clock.time + 24_000, clock.time);
  const ids = () => asked.map(({ id }) => id);
  return { clock, queue, asked, postponed, admit, ids };
}

describe('AskQueue', () => {
  it('asks one producer at most its share at once, and the next as soon as one ends', async () => {
    const { admit, ids, asked } = setUp();
    admit('a', 6);
    expect(ids()).toEqual(['a-0', 'a-1', 'a-2', 'a-3']);
    await asked[2]!.end();
    expect(ids().at(-1)).toBe('a-4');
  });

  it('keeps the last asks from producers that hold many', () => {
    const { admit, ids, queue } = setUp();
    for (const producer of ['a', 'b', 'c']) admit(producer, 10);
    expect(queue.free).toBeGreaterThan(0);
    admit('d', 1);
    expect(ids()).toContain('d-0');
  });

  it('lets producers take turns', async () => {
    const { admit, asked, ids } = setUp();
    for (const producer of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) admit(producer, 3);
    for (let ended = 0; ended < 8; ended += 1) await asked[ended]!.end();
    const producersAsked = new Set(ids().map((id) => id[0]));
    expect(producersAsked.size).toBe(8);
  });

  it('lets no producers that always have more to ask keep the others waiting', async () => {
    const { admit, asked, ids } = setUp();
    for (let producer = 0; producer < 12; producer += 1) admit(`p${producer}`, 4);
    for (let ended = 0; ended < 16; ended += 1) {
      await asked[ended]!.end();
      admit(asked[ended]!.line.producer, 1);
    }
    expect(new Set(ids().map((id) => id.split('-')[0])).size).toBe(12);
  });

  it('postpones what finds no place, behind what is before it', () => {
    const { admit, postponed } = setUp();
    admit('a', 20);
    admit('a', 100);
    admit('a', 100);
    const [first, second, third] = postponed;
    expect(first!.ids).toHaveLength(10);
    expect(first!.dueAt).toBe(1_000);
    expect(second!.dueAt).toBeGreaterThanOrEqual(first!.dueAt);
    expect(third!.dueAt).toBeGreaterThan(second!.dueAt);
    expect(third!.dueAt).toBeLessThanOrEqual(55_000);
  });

  it('postpones all that waits when the producer proves unreachable, and asks one first when its back-off is over', async () => {
    const { admit, asked, postponed, ids, clock, queue } = setUp();
    admit('a', 6);
    asked[0]!.line.reachability.failed(0, 0);
    await asked[0]!.end();
    expect(postponed).toEqual([{ ids: ['a-4', 'a-5'], dueAt: 1_000 }]);
    for (const { end } of asked.slice(1, 4)) await end();

    admit('a', 2);
    expect(postponed.at(-1)).toEqual({ ids: ['a-0', 'a-1'], dueAt: 1_000 });
    expect(queue.isUnreachable('a')).toBe(true);

    clock.time = 1_000;
    admit('a', 6);
    expect(ids()).toHaveLength(5);
    asked[4]!.line.reachability.answered();
    await asked[4]!.end();
    expect(ids()).toHaveLength(9);
    expect(queue.isUnreachable('a')).toBe(false);
  });

  it('does not ask under a claim that may end first', async () => {
    const { admit, asked, postponed, clock, ids } = setUp();
    admit('a', 5);
    clock.time = 24_000;
    await asked[0]!.end();
    expect(ids()).toHaveLength(4);
    expect(postponed).toEqual([{ ids: ['a-4'], dueAt: 24_000 }]);
  });

  it('gives back what waits and is idle after the last ask', async () => {
    const { admit, asked, postponed, queue } = setUp();
    admit('a', 5);
    queue.giveBack();
    expect(postponed).toEqual([{ ids: ['a-4'], dueAt: 0 }]);
    let idle = false;
    const waited = queue.idle().then(() => (idle = true));
    for (const { end } of asked.slice(0, 3)) await end();
    expect(idle).toBe(false);
    await asked[3]!.end();
    await waited;
  });
});

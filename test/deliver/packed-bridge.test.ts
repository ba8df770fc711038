import { misnamedResult } from '../../src/deliver/job-results.js';
import type { FailedInJob, JobResult } from '../../src/message/job-result.js';
import { until } from '../queue/until.js';
import { noCounts } from './bridge-counts.js';
import { Bridging } from './bridging.js';
import { FakeOwnedSubscription } from './fake-owned-subscription.js';

interface Message {
  id: string;
  offset: number;
  attempt: number;
}

describe('queue bridge with several messages a job', () => {
  let bridging: Bridging;
  /** The offsets of each job, in the order of the jobs. */
  let jobs: number[][];

  beforeEach(() => {
    bridging = new Bridging();
    bridging.owned.config.messagesPerJob = 10;
    jobs = [];
  });
  afterEach(() => bridging.stop());

  function work(handle: (messages: Message[]) => unknown): void {
    bridging.work((data) => {
      const messages = (data.messages ?? [data]) as Message[];
      jobs.push(messages.map(({ offset }) => offset));
      return handle(messages);
    }, 4);
  }

  const resultOf = (offset: number, attempt = 1) =>
    bridging.owned.settled.find((settled) => settled.offset === offset && settled.attempt === attempt)?.result;
  const waitingIds = async (): Promise<string[]> => (await bridging.queue().packs()).map(({ id }) => id);

  it('packs what is ready now, no more than it may, and settles all of them', async () => {
    work(() => undefined);
    bridging.owned.add(25);
    await bridging.bridge().start();
    await until('all acked', () => bridging.owned.acked === 25);
    expect(jobs.map(({ length }) => length)).toEqual([10, 10, 5]);
    bridging.owned.add(1);
    await until('one more', () => bridging.owned.acked === 26);
    expect(jobs.at(-1)).toEqual([25]);
    expect(bridging.counts).toEqual(noCounts);
    expect(await waitingIds()).toEqual([]);
  });

  it('keeps a job within its characters', async () => {
    bridging.owned = new FakeOwnedSubscription('orders', bridging.clock, 0, () => JSON.stringify('x'.repeat(1_000)));
    bridging.owned.config.messagesPerJob = 10;
    work(() => undefined);
    bridging.owned.add(10);
    await bridging.bridge({ jobCharactersMax: 3_600 }).start();
    await until('all acked', () => bridging.owned.acked === 10);
    expect(jobs.map(({ length }) => length)).toEqual([3, 3, 3, 1]);
  });

  it('settles each message as the worker says, and tries the failed ones again in another job', async () => {
    work((messages): JobResult => {
      const failed: FailedInJob[] = [];
      for (const { id, offset, attempt } of messages) {
        if (attempt > 1) continue;
        if (offset === 3) failed.push({ id, error: 'no stock' });
        if (offset === 4) failed.push({ id, error: 'not JSON', deadLetter: true });
        if (offset === 5) failed.push({ id, delayMs: 7 });
      }
      return { failed };
    });
    bridging.owned.add(10);
    await bridging.bridge().start();
    await until('all acked', () => bridging.owned.acked === 10);
    expect(resultOf(3)).toEqual({ kind: 'nack', error: 'no stock' });
    expect(resultOf(4)).toEqual({ kind: 'reject', error: 'not JSON' });
    expect(resultOf(5)).toEqual({ kind: 'nack', error: 'failed without a reason', delayMs: 7 });
    expect(bridging.owned.settled.filter(({ result }) => result.kind === 'ack')).toHaveLength(10);
    expect(jobs.slice(1).flat().sort()).toEqual([3, 4, 5]);
  });

  it('does not acknowledge by a name that is wrong, and counts it', async () => {
    work((messages): JobResult => (messages[0]?.attempt === 1 ? { failed: ['7', messages[1]?.id ?? ''] } : {}));
    bridging.owned.add(3);
    await bridging.bridge().start();
    await until('all acked', () => bridging.owned.acked === 3);
    expect([0, 1, 2].map((offset) => resultOf(offset))).toEqual([
      { kind: 'nack', error: misnamedResult },
      { kind: 'nack', error: 'failed without a reason' },
      { kind: 'nack', error: misnamedResult },
    ]);
    expect(bridging.counts).toEqual({ ...noCounts, misnamed: 1 });
  });

  it('a message that is given back comes again as the same attempt, once its job is gone', async () => {
    let isStopping = true;
    work((messages): JobResult => ({ failed: isStopping ? messages.map(({ id }) => ({ id, release: true })) : [] }));
    const quiet = bridging.bridge();
    bridging.owned.add(3);
    await quiet.fill();
    await until('it has run', () => jobs.length === 1);
    const [first] = await waitingIds();
    bridging.engine.removalsFail = true;
    await expect(quiet.settleEnded()).rejects.toThrow('the engine is away');
    expect(bridging.owned.settled.map(({ result }) => result.kind)).toEqual(['release', 'release', 'release']);
    isStopping = false;
    await quiet.fill();
    expect(bridging.owned.given).toBe(3);
    expect(jobs).toHaveLength(1);
    bridging.engine.removalsFail = false;
    await quiet.settleEnded();
    expect(await waitingIds()).toEqual([]);
    await quiet.fill();
    expect(await waitingIds()).toEqual([first]);
    await until('it has run again', () => jobs.length === 2);
    await quiet.settleEnded();
    expect(bridging.owned.acked).toBe(3);
    expect(bridging.owned.settled.map(({ attempt }) => attempt)).toEqual(Array(6).fill(1));
    expect(bridging.counts).toEqual(noCounts);
  });

  it('tries all messages of a lost job anew, as the next attempt', async () => {
    const quiet = bridging.bridge();
    bridging.owned.add(15);
    await quiet.fill();
    const [lost] = await waitingIds();
    await bridging.queue().retainWaiting((await waitingIds()).filter((id) => id !== lost));
    await quiet.reconcile();
    expect(bridging.counts.engineLost).toBe(10);
    expect(bridging.owned.settled.map(({ offset }) => offset)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const attempts: number[][] = [];
    work((messages) => void attempts.push(messages.map(({ attempt }) => attempt)));
    await quiet.fill();
    await until('both have run', () => attempts.length === 2);
    expect(attempts).toEqual([Array(5).fill(1), Array(10).fill(2)]);
  });

  it('goes on where an earlier owner was killed: ended, running, waiting and lost jobs', async () => {
    let open = (): void => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    work(async (messages): Promise<JobResult> => {
      if (messages[0]?.offset !== 0) await opened;
      const second = messages.slice(1, 2).filter(({ attempt }) => attempt === 1);
      return { failed: second.map(({ id }) => ({ id, error: 'no stock' })) };
    });
    const first = bridging.bridge();
    bridging.owned.add(60);
    await first.fill();
    await until('four run', () => jobs.length === 5);
    const queue = bridging.queue();
    const ids = await waitingIds();
    await queue.retainWaiting(ids.slice(0, -1));

    const successor = bridging.owned.takenOver();
    successor.config.messagesPerJob = 10;
    const second = bridging.bridge({}, successor);
    await second.fill();
    await second.settleEnded();
    expect(bridging.counts).toEqual({ ...noCounts, engineLost: 10 });
    const firstTries = successor.settled.filter(({ attempt }) => attempt === 1);
    expect(firstTries.filter(({ result }) => result.kind === 'ack').map(({ offset }) => offset)).toEqual([
      0, 2, 3, 4, 5, 6, 7, 8, 9,
    ]);
    expect(successor.entries.slice(50).map(({ attempt }) => attempt)).toEqual(Array(10).fill(2));
    open();
    await second.start();
    await until('all acked', () => successor.acked === 60);
    const tries = successor.settled.map(({ offset, attempt }) => `${offset}:${attempt}`);
    expect(new Set(tries).size).toBe(tries.length);
    expect(bridging.counts).toEqual({ ...noCounts, engineLost: 10 });
  });

  it('a successor settles what is left of a job of which some count no longer', async () => {
    work((messages): JobResult => ({ failed: [messages[0]?.id ?? '', messages[1]?.id ?? ''] }));
    const first = bridging.bridge();
    bridging.owned.add(4);
    await first.fill();
    await until('it has run', () => jobs.length === 1);
    const successor = bridging.owned.takenOver();
    Object.assign(successor.entries[0] as object, { state: 'acked', inherited: false });
    const second = bridging.bridge({}, successor);
    await second.fill();
    await second.settleEnded();
    expect(successor.settled.map(({ offset, result }) => [offset, result.kind])).toEqual([
      [1, 'nack'],
      [2, 'ack'],
      [3, 'ack'],
    ]);
    expect(bridging.counts).toEqual(noCounts);
  });

  it('changes between jobs of one and of several while it is at work', async () => {
    const kinds: string[] = [];
    bridging.work((data) => void kinds.push('messages' in data ? 'several' : 'one'), 4);
    const started = bridging.bridge();
    bridging.owned.config.messagesPerJob = 1;
    bridging.owned.add(20);
    await started.start();
    bridging.owned.config.messagesPerJob = 5;
    bridging.owned.add(20);
    await until('the first are acked', () => bridging.owned.acked === 40);
    bridging.owned.config.messagesPerJob = 1;
    bridging.owned.add(3);
    await until('all acked', () => bridging.owned.acked === 43);
    expect(kinds.slice(-3)).toEqual(['one', 'one', 'one']);
    expect(bridging.owned.settled).toHaveLength(43);
    expect(bridging.counts).toEqual(noCounts);
  });
});

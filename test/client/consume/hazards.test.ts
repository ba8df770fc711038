import { HttpCaller, Reject, Retry } from '../../../src/client/index.js';
import { until } from '../../queue/until.js';
import { Consuming, Gate, WatchedCaller } from './consuming.js';

/** Stands still as a process does that is swapped out, or computes. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

describe('a consumer in the hands of its application', () => {
  let consuming: Consuming;
  beforeAll(async () => {
    consuming = await Consuming.start();
  });
  afterEach(() => consuming.reset());
  afterAll(() => consuming.stop());

  it('begins nothing that has become another consumer’s while the process stood still', async () => {
    const topic = consuming.topic();
    const begun: [unknown, number][] = [];
    const consumer = await consuming.started<string>({
      topic,
      concurrency: 1,
      visibilityMs: 1_000,
      subscription: { retry: { fixedMs: 0 } },
      handler: async ({ body }, { attempt }) => {
        begun.push([body, attempt]);
        if (body !== 'blocks' || attempt > 1) return;
        await until('others wait', () => consumer.counts.waiting === 3);
        standStill(1_500);
      },
    });
    const [quick] = await consuming.send(topic, 'quick');
    await consuming.untilAcked(quick!);
    const ids = await consuming.send(topic, 'blocks', 'a', 'b', 'c');
    for (const id of ids) await consuming.untilAcked(id);
    // Each had lost its first try to the broker by the time when it could begin.
    expect(begun.filter(([body, attempt]) => attempt === 1 && 'abc'.includes(String(body)))).toEqual([]);
  });

  it('an answer that reaches it late counts from when it was asked for', async () => {
    const topic = consuming.topic();
    const caller = new WatchedCaller(new HttpCaller({ url: consuming.broker.url }));
    let isHeldUp = true;
    caller.meddle = async ({ path }, make) => {
      const answer = await make();
      if (path.endsWith('/receive') && isHeldUp && answer.text.includes('receipt')) {
        isHeldUp = false;
        await until('the broker has given up', async () => (await consuming.stateOf(id!)).state !== 'in_flight');
      }
      return answer;
    };
    const attempts: number[] = [];
    await consuming.broker.put(`/v1/subscriptions/${topic}/g`, { mode: 'pull', retry: { fixedMs: 0 } });
    const [id] = await consuming.send(topic, 1);
    await consuming.started({
      topic,
      subscription: false,
      client: consuming.clientOver(caller),
      visibilityMs: 1_000,
      waitMs: 0,
      handler: (_message, { attempt }) => attempts.push(attempt),
    });
    await consuming.untilAcked(id!);
    expect(attempts).toEqual([2]);
  });

  it('a handler that never ends keeps no other messages from other consumers', async () => {
    const topic = consuming.topic();
    const stuck = await consuming.started<string>({
      topic,
      concurrency: 1,
      visibilityMs: 1_000,
      stopMs: 0,
      handler: ({ body }) => (body === 'hangs' ? new Promise(() => undefined) : undefined),
    });
    const [quick] = await consuming.send(topic, 'quick');
    await consuming.untilAcked(quick!);
    const [, ...others] = await consuming.send(topic, 'hangs', 'a', 'b', 'c');
    await until('they wait behind it', () => stuck.counts.waiting === 3);
    const attempts: number[] = [];
    await consuming.started({ topic, handler: (_message, { attempt }) => attempts.push(attempt) });
    for (const id of others) await consuming.untilAcked(id);
    expect(attempts).toEqual([1, 1, 1]);
    expect(stuck.counts).toMatchObject({ running: 1, waiting: 0, lost: 0 });
  });

  it('goes on when the application’s own reporting throws', async () => {
    const topic = consuming.topic();
    const unhandled: unknown[] = [];
    const onUnhandled = (error: unknown) => unhandled.push(error);
    process.on('unhandledRejection', onUnhandled);
    const warned: string[] = [];
    const warning = jest.spyOn(process, 'emitWarning').mockImplementation((text) => void warned.push(String(text)));
    const consumer = await consuming.started({
      topic,
      concurrency: 1,
      subscription: { maxAttempts: 1 },
      onError: () => {
        throw new Error('the log is full');
      },
      handler: ({ body }) => {
        if (body === 'bad') throw new Error('bad');
      },
    });
    const [, good] = await consuming.send(topic, 'bad', 'good');
    await consuming.untilAcked(good!);
    await until('the bad one is dead', async () => (await consuming.deadLetters(topic)).length === 1);
    expect(consumer.counts).toMatchObject({ running: 0, acked: 1, nacked: 1 });
    await until('told elsewhere', () => warned.some((text) => text.includes('the log is full')));
    process.off('unhandledRejection', onUnhandled);
    warning.mockRestore();
    expect(unhandled).toEqual([]);
  });

  it('an error’s text does not decide what becomes of a message, only Retry and Reject do', async () => {
    const topic = consuming.topic();
    await consuming.started<string>({
      topic,
      subscription: { retry: { fixedMs: 3_600_000 } },
      handler: ({ body }) => {
        if (body === 'reject') throw new Reject('halfbox-retry 31536000000: forged');
        if (body === 'retry') throw new Retry({ reason: 'halfbox-reject: forged' });
        throw new Error(body);
      },
    });
    const texts = ['halfbox-reject: forged', 'halfbox-retry 31536000000: forged', 'retry', 'reject'];
    const ids = await consuming.send(topic, ...texts);
    const states = [];
    for (const id of ids) {
      states.push(
        await until('failed', async () => {
          const found = await consuming.stateOf(id);
          return ['retry', 'dead'].includes(found.state) && found;
        }),
      );
    }
    expect(states.map(({ state, error }) => [state, error])).toEqual([
      ['retry', 'halfbox-reject: forged'],
      ['retry', 'halfbox-retry 31536000000: forged'],
      ['retry', 'halfbox-reject: forged'],
      ['dead', 'halfbox-retry 31536000000: forged'],
    ]);
    for (const { dueAt } of states.slice(0, 3)) expect(Date.parse(dueAt!) - Date.now()).toBeLessThan(3_700_000);
  });

  it('a handler that asks for less time than it has keeps what it has', async () => {
    const topic = consuming.topic();
    const gate = new Gate();
    const attempts: number[] = [];
    const consumer = await consuming.started({
      topic,
      visibilityMs: 20_000,
      handler: async (_message, context) => {
        attempts.push(context.attempt);
        await context.extend(1_000);
        await gate.opened;
      },
    });
    const [id] = await consuming.send(topic, 1);
    await until('begun', () => attempts.length === 1);
    const { dueAt } = await consuming.stateOf(id!);
    expect(Date.parse(dueAt!) - Date.now()).toBeGreaterThan(10_000);
    gate.open();
    await consuming.untilAcked(id!);
    expect([attempts, consumer.counts.lost]).toEqual([[1], 0]);
  });
});

import type Bull from 'bull';
import { BullHandlers } from '../../../src/client/consume/bull-handlers.js';
import {
  Reject,
  Retry,
  type BullConsumer,
  type BullConsumerOptions,
  type DeliveredMessage,
  type DeliveryContext,
  type JobOfMessages,
  type ReceiptLost,
} from '../../../src/client/index.js';
import { until } from '../../queue/until.js';
import { BullConsuming } from './bull-consuming.js';
import { Gate } from './consuming.js';

interface Counted {
  n: number;
}

describe('BullConsumer with jobs of several messages', () => {
  let consuming: BullConsuming;
  let topic: string;

  beforeAll(async () => {
    consuming = await BullConsuming.start();
  });
  beforeEach(() => {
    topic = consuming.topic();
  });
  afterEach(() => consuming.reset());
  afterAll(() => consuming.stop());

  const consumer = (
    handler: BullConsumerOptions<Counted>['handler'],
    options: Partial<BullConsumerOptions<Counted>> = {},
  ): BullConsumer<Counted> =>
    consuming.consumer({
      topic,
      subscription: { messagesPerJob: 100, retry: { fixedMs: 0 } },
      ...options,
      handler,
    });

  /** They are in Redis as one job, where a worker takes it only later. */
  async function waitingJob(count: number, settings: object = {}): Promise<string[]> {
    await consuming.client.putSubscription(topic, 'g', {
      mode: 'queue',
      messagesPerJob: 100,
      retry: { fixedMs: 0 },
      ...settings,
    });
    const ids = await consuming.send(topic, ...Array.from({ length: count }, (_, n) => ({ n })));
    await until('they wait', async () => (await counts()).inFlight === count);
    return ids;
  }

  const counts = async () => (await consuming.broker.get(`/v1/subscriptions/${topic}/g`)).body;
  const untilSettled = () => until('all settled', async () => (await counts()).backlog === 0);

  it('runs the handler for each, with the context of its message, and tells how each ended', async () => {
    const ids = await waitingJob(5);
    const seen: unknown[] = [];
    await consumer(({ body, id }, { messageId, attempt, group }) => {
      seen.push([body.n, attempt]);
      expect([messageId, group]).toEqual([id, 'g']);
      if (body.n === 1 && attempt === 1) throw new Error('halfbox-reject: no stock');
      if (body.n === 2) throw new Reject('never valid');
      if (body.n === 3) throw new Retry({ afterMs: 3_600_000, reason: 'closed' });
    }).start();
    await until('they have ended', async () => (await counts()).backlog === 1);
    expect(seen).toEqual([0, 1, 2, 3, 4].map((n) => [n, 1]).concat([[1, 2]]));
    expect(await consuming.stateOf(ids[3]!)).toMatchObject({ state: 'retry', attempt: 1, error: 'closed' });
    const items = await consuming.deadLetters(topic);
    expect(items).toMatchObject([{ messageId: ids[2], error: 'never valid', attempts: 1 }]);
    expect(consuming.errors.map(({ error }) => error.message)).toEqual(['halfbox-reject: no stock']);
  });

  it('runs no more handlers at once than it may, over all jobs and of both kinds', async () => {
    const gate = new Gate();
    let running = 0;
    let peak = 0;
    let ended = 0;
    const handler = async (): Promise<void> => {
      peak = Math.max(peak, (running += 1));
      await gate.opened;
      await new Promise(setImmediate);
      running -= 1;
      ended += 1;
    };
    await waitingJob(20, { messagesPerJob: 6 });
    await consuming.client.putSubscription(topic, 'g', { mode: 'queue' });
    await consuming.client.send(Array.from({ length: 10 }, (_, n) => ({ topic, body: { n } })));
    await until('all wait', async () => (await counts()).inFlight === 30);
    await consumer(handler, { concurrency: 4, subscription: false }).start();
    await until('all it may', () => running === 4);
    gate.open();
    await untilSettled();
    expect([peak, ended]).toEqual([4, 30]);
  });

  it('`ordered` handles the messages of a job one at a time', async () => {
    await waitingJob(30);
    const seen: number[] = [];
    let running = 0;
    const handler = async ({ body }: { body: Counted }): Promise<void> => {
      expect((running += 1)).toBe(1);
      await new Promise(setImmediate);
      running -= 1;
      seen.push(body.n);
    };
    await consumer(handler, { ordered: true }).start();
    await untilSettled();
    expect(seen).toHaveLength(30);
    expect(consuming.errors.map(({ error }) => error.message)).toEqual([]);
  });

  it('a stop finishes what runs and gives back what was not begun, which counts as no attempt', async () => {
    const ids = await waitingJob(10);
    const gate = new Gate();
    const begun: string[] = [];
    const first = consumer(
      async ({ id }) => {
        begun.push(id);
        await gate.opened;
      },
      { concurrency: 3 },
    );
    await first.start();
    await until('three run', () => first.runningCount === 3);
    const stopped = first.stop();
    const others: [string, number][] = [];
    await consumer(({ id }, { attempt }) => void others.push([id, attempt])).start();
    gate.open();
    await stopped;
    await untilSettled();
    expect(begun).toHaveLength(3);
    expect(others.map(([, attempt]) => attempt)).toEqual(Array(7).fill(1));
    expect([...begun, ...others.map(([id]) => id)].sort()).toEqual([...ids].sort());
  });

  it('a stop does not wait for ever; what had ended is not done again', async () => {
    const [hanging] = await waitingJob(5);
    const reasons: unknown[] = [];
    const seen: [number, number][] = [];
    const first = consumer(
      async ({ id, body }, { signal, attempt }) => {
        seen.push([body.n, attempt]);
        if (id !== hanging || attempt > 1) return;
        signal.addEventListener('abort', () => reasons.push(signal.reason));
        await new Promise(() => undefined);
      },
      { stopMs: 20 },
    );
    await first.start();
    await until('the others have ended', () => seen.length === 5);
    await first.stop();
    expect(reasons).toEqual([expect.objectContaining({ code: 'consumer-stopped', messageId: hanging })]);
    await consumer(({ body }, { attempt }) => void seen.push([body.n, attempt])).start();
    await untilSettled();
    expect(seen.slice(5)).toEqual([[0, 2]]);
  });

  it('begins nothing more of a job whose lock is lost, and goes on with others', async () => {
    const gate = new Gate();
    const begun: string[] = [];
    const reported: unknown[] = [];
    const handlers = new BullHandlers({
      group: 'g',
      concurrency: 2,
      handler: async ({ id }: { id: string }, { signal }: DeliveryContext) => {
        begun.push(id);
        await gate.opened;
        if (signal.aborted) reported.push((signal.reason as ReceiptLost).code);
      },
      report: (error, during, messageId) => reported.push([during, messageId, error.message]),
    });
    const job = (id: string, ...ids: string[]) =>
      ({ id, data: { messages: ids.map((each) => ({ id: each })) } }) as Bull.Job<JobOfMessages<DeliveredMessage>>;
    const lost = handlers.handle(job('+1', 'a', 'b', 'c'));
    const other = handlers.handle(job('+2', 'd', 'e'));
    await until('two run', () => begun.length === 2);
    handlers.lost('+1', new Error('Redis is away'));
    handlers.lost('+3', new Error('Redis is away'));
    gate.open();
    await lost;
    expect(await other).toBeUndefined();
    expect(begun).toEqual(['a', 'b', 'd', 'e']);
    const why = (id: string): string => expect.stringContaining(`message ${id} is lost`) as string;
    expect(reported).toEqual([['queue', 'a', why('a')], ['queue', 'b', why('b')], 'receipt-lost', 'receipt-lost']);
    expect(handlers.runningCount).toBe(0);
  });
});

import { EventEmitter, once } from 'node:events';
import { BullModule, Process, Processor } from '@nestjs/bull';
import { Test } from '@nestjs/testing';
import type Bull from 'bull';
import type { EngineOutcome } from '../../src/queue/queue-engine.js';
import { noCounts } from '../deliver/bridge-counts.js';
import { BullFixture, prefix } from './bull-fixture.js';
import { until } from './until.js';

const json = (id: string, body: unknown = {}) => ({ id, json: JSON.stringify({ id, attempt: 1, body }) });

describe('bull engine', () => {
  let fixture: BullFixture;
  beforeAll(async () => {
    fixture = await BullFixture.start();
  });
  beforeEach(() => fixture.begin());
  afterEach(() => fixture.reset());
  afterAll(() => fixture.stop());

  /** Has the worker meet an id whose data is gone, which fails, and then a job; answers how the job ended. */
  async function outcomeOfJobAfterLost(): Promise<EngineOutcome | undefined> {
    await fixture.redis.ask((client) => client.lpush(`${prefix}:${fixture.queueName}:wait`, 'ghost:0:1'));
    const queue = fixture.queue();
    await queue.enqueue([json('a:0:1')]);
    const outcomes = await until('both have ended', async () => {
      const drained = await queue.drain(10);
      return drained.length === 2 && drained;
    });
    expect(outcomes).toContainEqual({ id: 'ghost:0:1', ok: false, error: 'the job was lost before it was read' });
    return outcomes.find(({ id }) => id === 'a:0:1');
  }

  it('is consumed by a plain Bull worker in another process: success settles, a throw is a retry', async () => {
    const owned = await fixture.subscription((offset) => JSON.stringify({ failsAtFirst: offset % 10 === 0 }));
    const plain = await fixture.worker();
    owned.add(200);
    await until('all acked', () => owned.acked === 200);
    expect(plain.handled).toHaveLength(220);
    const nacks = owned.settled.filter(({ result }) => result.kind === 'nack');
    expect(nacks).toHaveLength(20);
    expect(nacks[0]).toEqual({ offset: 0, attempt: 1, result: { kind: 'nack', error: 'no stock' } });
    expect(fixture.counts).toEqual(noCounts);
    await until('its jobs are removed', async () => {
      return (await fixture.redis.ask((client) => client.keys(`${prefix}:*:message:*`))).length === 0;
    });
  });

  it('is consumed by an @nestjs/bull processor', async () => {
    const seen: string[] = [];
    @Processor(fixture.queueName)
    class OrderMail {
      @Process()
      send(job: Bull.Job<{ id: string; attempt: number }>): void {
        if (job.data.attempt === 1) throw new Error('not yet');
        seen.push(job.data.id);
      }
    }
    const module = await Test.createTestingModule({
      imports: [
        BullModule.forRoot({ url: fixture.redis.url, prefix }),
        BullModule.registerQueue({ name: fixture.queueName }),
      ],
      providers: [OrderMail],
    }).compile();
    await module.init();
    fixture.after(() => module.close());
    const owned = await fixture.subscription();
    owned.add(3);
    await until('all acked', () => owned.acked === 3);
    expect(seen.sort()).toEqual(['message:0', 'message:1', 'message:2']);
    expect(owned.settled.filter(({ result }) => result.kind === 'nack')).toHaveLength(3);
  });

  it('looks to Bull like a job that Bull added', async () => {
    const queue = fixture.queue();
    await queue.enqueue([json('a:0:1', { n: 1 })]);
    const plain = fixture.plainQueue();
    const [ours] = await plain.getWaiting();
    const theirs = await plain.add(ours.data, { jobId: 'b:0:1', removeOnComplete: false, removeOnFail: false });
    const shapeOf = (job: Bull.Job) => {
      // Bull keeps every job when it has ended unless it is told otherwise.
      const { removeOnComplete = false, removeOnFail = false, ...opts } = job.opts;
      const kept = { ...opts, removeOnComplete, removeOnFail, jobId: '', timestamp: 0 };
      return { ...job.toJSON(), id: '', timestamp: 0, opts: kept };
    };
    expect(shapeOf(ours)).toEqual(shapeOf((await plain.getJob(theirs.id)) as Bull.Job));
    expect(ours.timestamp).toBeGreaterThan(theirs.timestamp - 60_000);
    expect(await plain.getJobCounts()).toMatchObject({ waiting: 2, active: 0, delayed: 0 });
  });

  it('loses nothing when Redis is wiped again and again', async () => {
    const owned = await fixture.subscription();
    const plain = await fixture.worker();
    owned.add(1_500);
    for (const acked of [100, 500, 1_000]) {
      await until(`${acked} acked`, () => owned.acked >= acked);
      await fixture.redis.ask((client) => client.flushall());
    }
    await until('all acked', () => owned.acked === 1_500, 25_000);
    expect(new Set(plain.handled.map(({ id }) => id)).size).toBe(1_500);
    expect(fixture.counts.engineLost).toBeGreaterThan(0);
  });

  it('loses nothing when Redis is killed, away for a while, and starts empty', async () => {
    const owned = await fixture.subscription();
    const plain = await fixture.worker();
    owned.add(1_000);
    await until('some acked', () => owned.acked >= 100);
    await fixture.redis.kill();
    owned.add(1_000);
    await expect(fixture.engine.ping()).rejects.toThrow();
    await fixture.redis.restart();
    await until('all acked', () => owned.acked === 2_000, 25_000);
    expect(new Set(plain.handled.map(({ id }) => id)).size).toBe(2_000);
    await expect(fixture.engine.ping()).resolves.toBeUndefined();
  });

  it('loses nothing when Redis is restored from an older file', async () => {
    const owned = await fixture.subscription();
    owned.add(1_000);
    await until('the window is full', () => owned.given >= 1_000);
    await fixture.redis.ask((client) => client.save());
    const first = await fixture.worker();
    await until('some acked', () => owned.acked >= 300);
    await first.kill();
    await fixture.redis.kill();
    await fixture.redis.restart();
    const second = await fixture.worker();
    await until('all acked', () => owned.acked === 1_000, 25_000);
    // What the file still held ran again; what it did not say any more counted no longer.
    await until('the older outcomes are gone', () => fixture.counts.ignored >= 300);
    expect(second.handled.length).toBeGreaterThanOrEqual(700);
  });

  it("loses nothing when a person cleans the queue with Bull's own verbs", async () => {
    const owned = await fixture.subscription();
    owned.add(500);
    await until('they wait', () => owned.given === 500);
    const plain = fixture.plainQueue();
    await plain.clean(0, 'wait');
    await until('found', () => fixture.counts.engineLost === 500);
    await plain.empty();
    await fixture.worker();
    await until('all acked', () => owned.acked === 500);
  });

  it('counts a job whose worker was killed as a failed attempt, also when no worker is left', async () => {
    const owned = await fixture.subscription(() => JSON.stringify({ hangsAtFirst: true }));
    const doomed = await fixture.worker(3);
    owned.add(5);
    await until('three are running', () => doomed.handled.length === 3);
    await doomed.kill();
    await until('found', () => owned.settled.length === 3);
    expect(fixture.counts.workerLost).toBe(3);
    const lost = owned.settled.map(({ attempt, result }) => [attempt, result]);
    expect(lost).toEqual(Array.from({ length: 3 }, () => [1, { kind: 'nack', error: 'worker-lost' }]));
  });

  it('does not hand an empty job to a handler of this process', async () => {
    const seen: unknown[] = [];
    const handler = fixture.engine.process(fixture.topic, 'mail', 1, (message) => void seen.push(message.id));
    fixture.after(() => handler.close());
    await outcomeOfJobAfterLost();
    expect(seen).toEqual(['a:0:1']);
  });

  it('does not take a job for done that a plain worker ran without its data', async () => {
    const plain = fixture.plainQueue();
    void plain.process(() => Promise.resolve('done'));
    expect(await outcomeOfJobAfterLost()).toEqual({ id: 'a:0:1', ok: true });
  });

  it('does not give a running job its data back, so that its success is not taken for the one of the message', async () => {
    const moments = new EventEmitter();
    const running = once(moments, 'running');
    const plain = fixture.plainQueue();
    void plain.process(async () => {
      const mayEnd = once(moments, 'may end');
      moments.emit('running');
      await mayEnd;
    });
    // As when Redis is wiped after the worker took the id, and the call that had added it was not answered.
    await fixture.redis.ask((client) => client.lpush(`${prefix}:${fixture.queueName}:wait`, 'a:0:1'));
    await running;
    const queue = fixture.queue();
    await queue.enqueue([json('a:0:1')]);
    expect(await queue.missing(['a:0:1'])).toEqual(['a:0:1']);
    moments.emit('may end');
    const outcomes = await until('it has ended', async () => {
      const drained = await queue.drain(10);
      return drained.length > 0 && drained;
    });
    expect(outcomes).toEqual([{ id: 'a:0:1', ok: false, error: 'the job was lost before it was read' }]);
  });

  it('gives a job its data again when no worker is left that would end it', async () => {
    await fixture.redis.ask((client) => client.hset(`${prefix}:${fixture.queueName}:a:0:1`, 'processedOn', '1'));
    const queue = fixture.queue();
    await queue.enqueue([json('a:0:1')]);
    expect(await queue.missing(['a:0:1'])).toEqual([]);
    const next = await fixture.worker();
    await until('it has run', () => next.handled.length === 1);
  });

  it('uses two connections, however many queues are open', async () => {
    await fixture.engine.ping();
    const before = await fixture.redis.connections();
    const queues = Array.from({ length: 1_000 }, (_, n) => fixture.engine.open(fixture.topic, `group${n}`));
    let woken = 0;
    await Promise.all(
      queues.map(async (queue) => {
        queue.onOutcome(() => woken++);
        await queue.enqueue([json('a:0:1')]);
        await queue.setPaused(true);
        await queue.setPaused(false);
        await queue.drain(10);
        await queue.missing(['a:0:1']);
        await queue.failAbandoned();
      }),
    );
    expect(before).toBe(2);
    expect(await fixture.redis.connections()).toBe(2);
    const stopWorker = fixture.engine.process(fixture.topic, 'group7', 1, () => {});
    await until('woken', () => woken > 0);
    expect(await fixture.redis.connections()).toBe(3);
    await stopWorker.close();
    await Promise.all(queues.map((queue) => queue.obliterate()));
    await Promise.all(queues.map((queue) => queue.close()));
    expect(await fixture.redis.ask((client) => client.dbsize())).toBe(0);
    expect(
      await fixture.redis.ask((client) => client.call('PUBSUB', 'CHANNELS', `${prefix}:${fixture.topic}.group8:*`)),
    ).toEqual([]);
  });

  it('says that Redis refused jobs, and goes on when it takes them again', async () => {
    const queue = fixture.queue();
    await fixture.redis.ask((client) => client.config('SET', 'maxmemory', '1'));
    await expect(queue.enqueue([json('a:0:1')])).rejects.toThrow('OOM');
    await fixture.redis.ask((client) => client.config('SET', 'maxmemory', '0'));
    await fixture.redis.ask((client) => client.script('FLUSH'));
    await queue.enqueue([json('a:0:1')]);
    expect(await queue.missing(['a:0:1'])).toEqual([]);
  });
});

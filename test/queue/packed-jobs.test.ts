import { randomUUID } from 'node:crypto';
import { QueueBridge } from '../../src/deliver/queue-bridge.js';
import type { QueueBridgeEvents } from '../../src/deliver/queue-bridge-settings.js';
import { systemClock } from '../../src/message/clock.js';
import { BullEngine } from '../../src/queue/bull/bull-engine.js';
import { RedisConnections } from '../../src/queue/bull/redis-connections.js';
import { Events } from '../../src/runtime/events.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { FakeOwnedSubscription } from '../deliver/fake-owned-subscription.js';
import { PrivateRedis } from './private-redis.js';
import { until } from './until.js';
import { WorkerProcess } from './worker-process.js';

const prefix = 'halfbox';
const noCounts = { ignored: 0, engineLost: 0, workerLost: 0, misnamed: 0 };
const deadlineMs = 30_000;

describe('Bull jobs of several messages, consumed by plain Bull workers of other processes', () => {
  let redis: PrivateRedis;
  let connections: RedisConnections;
  let engine: BullEngine;
  let topic: string;
  let cleanUp: (() => Promise<unknown>)[];
  let counts: Record<keyof QueueBridgeEvents, number>;

  beforeAll(async () => {
    redis = await PrivateRedis.start();
    connections = new RedisConnections(redis.url, silentLogger, { reconnectMsMax: 100 });
    engine = new BullEngine(connections, silentLogger);
  });
  afterAll(async () => {
    connections.close();
    await redis.stop();
  });
  beforeEach(() => {
    topic = `orders-${randomUUID()}`;
    cleanUp = [];
    counts = { ...noCounts };
  });
  afterEach(async () => {
    for (const clean of cleanUp.reverse()) await clean();
    await redis.ask((client) => client.flushall());
  });

  async function worker(concurrency = 5): Promise<WorkerProcess> {
    const started = await WorkerProcess.start(redis.url, prefix, `${topic}.mail`, concurrency);
    cleanUp.push(() => started.kill());
    return started;
  }

  async function carry(owned: FakeOwnedSubscription): Promise<QueueBridge> {
    const events = new Events<QueueBridgeEvents>();
    for (const name of ['ignored', 'engineLost', 'workerLost', 'misnamed'] as const) {
      events.on(name, ({ count }) => void (counts[name] += count));
    }
    const settings = { reconcileMs: 200, pollMs: 100, retryMs: 10, retryMsMax: 100 };
    const made = new QueueBridge(owned, { engine, clock: systemClock, logger: silentLogger, events }, settings);
    await made.start();
    cleanUp.push(() => made.stop());
    return made;
  }

  async function subscription(bodyOf?: (offset: number) => string): Promise<FakeOwnedSubscription> {
    const owned = new FakeOwnedSubscription(topic, systemClock, 0, bodyOf);
    owned.config.messagesPerJob = 50;
    await carry(owned);
    return owned;
  }

  const untilAcked = (owned: FakeOwnedSubscription, count: number): Promise<true> =>
    until(`${count} acked`, () => owned.acked >= count, deadlineMs);

  it('settles each message as the worker says, and leaves nothing in Redis', async () => {
    const owned = await subscription((offset) => JSON.stringify({ failsAtFirst: offset % 10 === 0 }));
    const plain = await worker();
    owned.add(2_000);
    await untilAcked(owned, 2_000);
    await until('all are told', () => plain.handled.length === 2_200);
    const nacks = owned.settled.filter(({ result }) => result.kind === 'nack');
    expect(nacks).toHaveLength(200);
    for (const { offset, attempt, result } of nacks) {
      expect([offset % 10, attempt, result]).toEqual([0, 1, { kind: 'nack', error: 'no stock' }]);
    }
    expect(counts).toEqual(noCounts);
    await until('its jobs are removed', async () => {
      const keys = await redis.ask((client) => client.keys(`${prefix}:${topic}.mail:*`));
      return keys.every((key) => /:(id|meta|stalled-check)$/.test(key));
    });
  });

  it('loses nothing when Redis is wiped again and again, and kills of it and of a worker come in between', async () => {
    const owned = await subscription();
    const doomed = await worker();
    const plain = await worker();
    owned.add(3_000);
    await untilAcked(owned, 200);
    await redis.ask((client) => client.flushall());
    await untilAcked(owned, 800);
    await doomed.kill();
    await redis.ask((client) => client.flushall());
    await untilAcked(owned, 1_500);
    await redis.kill();
    owned.add(1_000);
    await redis.restart();
    await untilAcked(owned, 4_000);
    const handled = (): number => new Set([...doomed.handled, ...plain.handled].map(({ id }) => id)).size;
    await until('all are told', () => handled() === 4_000, deadlineMs);
    expect(counts.engineLost).toBeGreaterThan(0);
    expect(counts.misnamed).toBe(0);
  });

  it('loses nothing when Redis is restored from an older file', async () => {
    const owned = await subscription();
    owned.add(1_000);
    await until('the window is full', () => owned.given >= 1_000);
    await redis.ask((client) => client.save());
    const first = await worker();
    await untilAcked(owned, 300);
    await first.kill();
    await redis.kill();
    await redis.restart();
    const second = await worker();
    await untilAcked(owned, 1_000);
    const handled = (): number => new Set([...first.handled, ...second.handled].map(({ id }) => id)).size;
    await until('all are told', () => handled() === 1_000, deadlineMs);
  });

  it('counts all messages of a job whose worker was killed as failed attempts, also when no worker is left', async () => {
    const owned = await subscription((offset) => JSON.stringify({ hangsAtFirst: offset % 50 === 20 }));
    const doomed = await worker(2);
    owned.add(150);
    await until('two hang', () => doomed.handled.length === 42);
    await doomed.kill();
    await until('found', () => owned.settled.length === 100, deadlineMs);
    expect(counts.workerLost).toBe(2);
    for (const { attempt, result } of owned.settled) {
      expect([attempt, result]).toEqual([1, { kind: 'nack', error: 'worker-lost' }]);
    }
    await worker();
    // The third hangs at its first attempt.
    await untilAcked(owned, 100);
  });

  it('is taken over while jobs of both kinds wait and run, without a duplicate', async () => {
    const owned = new FakeOwnedSubscription(topic, systemClock);
    owned.config.messagesPerJob = 20;
    const first = await carry(owned);
    owned.add(200);
    await until('they wait', () => owned.given === 200);
    owned.config.messagesPerJob = 1;
    owned.add(100);
    await until('all wait', () => owned.given === 300);
    const plain = await worker();
    await untilAcked(owned, 20);
    await first.stop();
    const successor = owned.takenOver();
    successor.config.messagesPerJob = 50;
    await carry(successor);
    successor.add(100);
    await untilAcked(successor, 400);
    await until('all are told', () => plain.handled.length >= 400);
    expect(plain.handled).toHaveLength(400);
    expect(new Set(plain.handled.map(({ id }) => id)).size).toBe(400);
    expect(counts).toEqual(noCounts);
  });
});

import { systemClock } from '../../src/message/clock.js';
import { noCounts } from '../deliver/bridge-counts.js';
import { FakeOwnedSubscription } from '../deliver/fake-owned-subscription.js';
import { BullFixture, prefix } from './bull-fixture.js';
import { until } from './until.js';

const deadlineMs = 30_000;

describe('Bull jobs of several messages, consumed by plain Bull workers of other processes', () => {
  let fixture: BullFixture;
  beforeAll(async () => {
    fixture = await BullFixture.start();
  });
  beforeEach(() => fixture.begin());
  afterEach(() => fixture.reset());
  afterAll(() => fixture.stop());

  const subscription = (bodyOf?: (offset: number) => string): Promise<FakeOwnedSubscription> =>
    fixture.subscription(bodyOf, 50);
  const untilAcked = (owned: FakeOwnedSubscription, count: number): Promise<true> =>
    until(`${count} acked`, () => owned.acked >= count, deadlineMs);

  it('settles each message as the worker says, and leaves nothing in Redis', async () => {
    const owned = await subscription((offset) => JSON.stringify({ failsAtFirst: offset % 10 === 0 }));
    const plain = await fixture.worker();
    owned.add(2_000);
    await untilAcked(owned, 2_000);
    await until('all are told', () => plain.handled.length === 2_200);
    const nacks = owned.settled.filter(({ result }) => result.kind === 'nack');
    expect(nacks).toHaveLength(200);
    for (const { offset, attempt, result } of nacks) {
      expect([offset % 10, attempt, result]).toEqual([0, 1, { kind: 'nack', error: 'no stock' }]);
    }
    expect(fixture.counts).toEqual(noCounts);
    await until('its jobs are removed', async () => {
      const keys = await fixture.redis.ask((client) => client.keys(`${prefix}:${fixture.queueName}:*`));
      return keys.every((key) => /:(id|meta|stalled-check)$/.test(key));
    });
  });

  it('loses nothing when Redis is wiped again and again, and kills of it and of a worker come in between', async () => {
    const owned = await subscription();
    const doomed = await fixture.worker();
    const plain = await fixture.worker();
    owned.add(3_000);
    await untilAcked(owned, 200);
    await fixture.redis.ask((client) => client.flushall());
    await untilAcked(owned, 800);
    await doomed.kill();
    await fixture.redis.ask((client) => client.flushall());
    await untilAcked(owned, 1_500);
    await fixture.redis.kill();
    owned.add(1_000);
    await fixture.redis.restart();
    await untilAcked(owned, 4_000);
    const handled = (): number => new Set([...doomed.handled, ...plain.handled].map(({ id }) => id)).size;
    await until('all are told', () => handled() === 4_000, deadlineMs);
    expect(fixture.counts.engineLost).toBeGreaterThan(0);
    expect(fixture.counts.misnamed).toBe(0);
  });

  it('loses nothing when Redis is restored from an older file', async () => {
    const owned = await subscription();
    owned.add(1_000);
    await until('the window is full', () => owned.given >= 1_000);
    await fixture.redis.ask((client) => client.save());
    const first = await fixture.worker();
    await untilAcked(owned, 300);
    await first.kill();
    await fixture.redis.kill();
    await fixture.redis.restart();
    const second = await fixture.worker();
    await untilAcked(owned, 1_000);
    const handled = (): number => new Set([...first.handled, ...second.handled].map(({ id }) => id)).size;
    await until('all are told', () => handled() === 1_000, deadlineMs);
  });

  it('counts all messages of a job whose worker was killed as failed attempts, also when no worker is left', async () => {
    const owned = await subscription((offset) => JSON.stringify({ hangsAtFirst: offset % 50 === 20 }));
    const doomed = await fixture.worker(2);
    owned.add(150);
    await until('two hang', () => doomed.handled.length === 42);
    await doomed.kill();
    await until('found', () => owned.settled.length === 100, deadlineMs);
    expect(fixture.counts.workerLost).toBe(2);
    for (const { attempt, result } of owned.settled) {
      expect([attempt, result]).toEqual([1, { kind: 'nack', error: 'worker-lost' }]);
    }
    await fixture.worker();
    // The third hangs at its first attempt.
    await untilAcked(owned, 100);
  });

  it('is taken over while jobs of both kinds wait and run, without a duplicate', async () => {
    const owned = new FakeOwnedSubscription(fixture.topic, systemClock);
    owned.config.messagesPerJob = 20;
    const first = await fixture.carry(owned);
    owned.add(200);
    await until('they wait', () => owned.given === 200);
    owned.config.messagesPerJob = 1;
    owned.add(100);
    await until('all wait', () => owned.given === 300);
    const plain = await fixture.worker();
    await untilAcked(owned, 20);
    await first.stop();
    const successor = owned.takenOver();
    successor.config.messagesPerJob = 50;
    await fixture.carry(successor);
    successor.add(100);
    await untilAcked(successor, 400);
    await until('all are told', () => plain.handled.length >= 400);
    expect(plain.handled).toHaveLength(400);
    expect(new Set(plain.handled.map(({ id }) => id)).size).toBe(400);
    expect(fixture.counts).toEqual(noCounts);
  });
});

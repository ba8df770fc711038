import { Webhook } from 'standardwebhooks';
import { CallbackClient } from '../../src/callback/callback-client.js';
import { TargetGuard } from '../../src/callback/target-guard.js';
import { PushConsumer } from '../../src/deliver/push.js';
import { systemClock } from '../../src/message/clock.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { answering, hanging, TargetServer } from '../callback/target-server.js';
import { HandedSubscription, subscriptionConfig, until } from './handed-subscription.js';

describe('PushConsumer', () => {
  const closers: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
  });

  interface Options {
    timeoutMs?: number;
    concurrency?: number;
    stopMs?: number;
    guard?: TargetGuard;
    pause?: (topic: string, group: string, reason: string) => Promise<unknown>;
  }

  async function setUp(reply: TargetServer['reply'], options: Options = {}) {
    const server = await new TargetServer(reply).listen();
    const client = new CallbackClient(options.guard ?? new TargetGuard(true));
    const push = { url: server.url, timeoutMs: options.timeoutMs ?? 2_000, concurrency: options.concurrency ?? 4 };
    const owned = new HandedSubscription(subscriptionConfig({ mode: 'push', push }));
    const paused: string[][] = [];
    const pause =
      options.pause ??
      ((topic: string, group: string, reason: string) => {
        paused.push([topic, group, reason]);
        owned.paused = true;
        return Promise.resolve();
      });
    const parts = { client, pause, clock: systemClock, logger: silentLogger };
    const consumer = new PushConsumer(
      owned,
      options.stopMs === undefined ? parts : { ...parts, stopMs: options.stopMs },
    );
    await consumer.start();
    closers.push(
      () => consumer.stop(),
      () => client.close(),
      () => server.close(),
    );
    return { server, owned, consumer, paused };
  }

  it('posts nothing when its node stood still and may be no owner any more, and gives it back', async () => {
    const { server, owned } = await setUp(answering(204));
    owned.holds = false;
    owned.add({ id: 'm.1' });
    await owned.untilSettled(1);
    owned.holds = true;
    owned.add({ id: 'm.2' });
    await owned.untilSettled(2);
    expect([...owned.settled.values()]).toEqual([{ kind: 'release' }, { kind: 'ack' }]);
    expect(server.calls.map(({ headers }) => headers['halfbox-message-id'])).toEqual(['m.2']);
  });

  it('posts a message, signed, with its place in headers and body, and acks by 2xx', async () => {
    const { server, owned } = await setUp(answering(204));
    owned.add({
      id: 'm.1',
      key: 'k',
      tag: 't',
      orderingKey: 'o',
      headers: { a: 'b' },
      transactionId: 'tx',
      contentType: 'application/json',
      body: { json: '{"big":12345678901234567890}' },
    });
    await owned.untilSettled(1);
    expect(owned.settled.get('m.1')).toEqual({ kind: 'ack' });
    const [call] = server.calls;
    expect(call!.headers).toMatchObject({
      'content-type': 'application/json',
      'halfbox-topic': 'orders',
      'halfbox-group': 'mail',
      'halfbox-message-id': 'm.1',
      'halfbox-attempt': '1',
      'webhook-id': 'm~1',
    });
    new Webhook(owned.secrets!.current).verify(call!.text, call!.headers);
    expect(call!.text).toContain('"body":{"big":12345678901234567890}');
    expect(JSON.parse(call!.text)).toMatchObject({
      id: 'm.1',
      topic: 'orders',
      key: 'k',
      tag: 't',
      orderingKey: 'o',
      headers: { a: 'b' },
      transactionId: 'tx',
      contentType: 'application/json',
      shard: 2,
      offset: 0,
      attempt: 1,
      bornAt: '2030-03-17T17:46:40.000Z',
      storedAt: '2030-03-17T17:46:40.000Z',
    });
  });

  it('posts a body that is not JSON as base64', async () => {
    const { server, owned } = await setUp(answering(200));
    owned.add({ id: 'm', body: { bytes: Buffer.from([1, 2, 255]) } });
    await owned.untilSettled(1);
    expect(JSON.parse(server.calls[0]!.text)).toMatchObject({ bodyBase64: 'AQL/' });
  });

  it.each([
    [500, 'http-500'],
    [404, 'http-404'],
    [302, 'http-302'],
    [300, 'http-300'],
  ])('nacks on %d', async (status, error) => {
    const { owned } = await setUp(answering(status, '', { location: 'http://127.0.0.1:1/' }));
    owned.add({ id: 'm' });
    await owned.untilSettled(1);
    expect(owned.settled.get('m')).toEqual({ kind: 'nack', error });
  });

  it('does not follow a redirect', async () => {
    const inner = await setUp(answering(200));
    const { owned } = await setUp(answering(308, '', { location: inner.server.url }));
    owned.add({ id: 'm' });
    await owned.untilSettled(1);
    expect(inner.server.calls).toEqual([]);
  });

  it('acks a 2xx whose body is too large or never ends', async () => {
    const { owned, server } = await setUp(answering(200, 'x'.repeat(10_000_000)), { timeoutMs: 3_000 });
    owned.add({ id: 'large' });
    await owned.untilSettled(1);
    server.reply = (_call, response) => void response.writeHead(200).write('.');
    owned.add({ id: 'endless' });
    await owned.untilSettled(2);
    expect([...owned.settled.values()]).toEqual([{ kind: 'ack' }, { kind: 'ack' }]);
  });

  it('nacks a target that hangs, is away, or is private', async () => {
    const { owned, server } = await setUp(hanging, { timeoutMs: 1_500 });
    owned.add({ id: 'hangs' });
    await owned.untilSettled(1);
    expect(owned.settled.get('hangs')).toEqual({ kind: 'nack', error: 'timeout' });
    await server.close();
    owned.add({ id: 'away' });
    await owned.untilSettled(2);
    expect(owned.settled.get('away')).toEqual({ kind: 'nack', error: 'unreachable: ECONNREFUSED' });
    await server.listen();

    const guarded = await setUp(answering(200), { guard: new TargetGuard(false) });
    guarded.owned.add({ id: 'private' });
    await guarded.owned.untilSettled(1);
    expect(guarded.owned.settled.get('private')).toEqual({
      kind: 'nack',
      error: 'target-not-allowed: not a public address',
    });
    expect(guarded.server.calls).toEqual([]);
  });

  it('keeps to its concurrency and goes on as soon as one is settled', async () => {
    const held: (() => void)[] = [];
    const { server, owned } = await setUp((_call, response) => void held.push(() => response.end()), {
      concurrency: 3,
    });
    owned.add(...Array.from({ length: 10 }, (_, index) => ({ id: `m${index}` })));
    await until(() => held.length === 3);
    expect(owned.given).toBe(3);
    for (let index = 0; index < 10; index += 1) {
      await until(() => held.length > index);
      held[index]!();
    }
    await owned.untilSettled(10);
    expect(server.concurrencyMax).toBe(3);
    expect(owned.inHandMax).toBe(3);
  });

  it('claims for longer than a push may take', async () => {
    const { owned } = await setUp(answering(200), { timeoutMs: 2_000 });
    owned.add({ id: 'm' });
    await owned.untilSettled(1);
    expect(Math.min(...owned.claimsMs)).toBeGreaterThan(2_000);
  });

  it('follows Retry-After for that message, and for all of them after 429 and 503', async () => {
    const { server, owned } = await setUp(answering(500, '', { 'retry-after': '7' }));
    owned.add({ id: 'a' });
    await owned.untilSettled(1);
    expect(owned.settled.get('a')).toEqual({ kind: 'nack', error: 'http-500', delayMs: 7_000 });
    server.reply = answering(429, '', { 'retry-after': '1' });
    owned.add({ id: 'b' });
    await owned.untilSettled(2);
    expect(owned.settled.get('b')).toEqual({ kind: 'nack', error: 'http-429', delayMs: 1_000 });

    server.reply = answering(200);
    const heldAt = performance.now();
    owned.add({ id: 'c' });
    await owned.untilSettled(3);
    expect(owned.settled.get('c')).toEqual({ kind: 'ack' });
    expect(performance.now() - heldAt).toBeGreaterThan(800);
  });

  it('pauses the subscription when the target is gone, and takes nothing until that is known', async () => {
    const { server, owned, paused } = await setUp(answering(410), { concurrency: 1 });
    owned.add({ id: 'a' }, { id: 'b' });
    await owned.untilSettled(1);
    expect(paused).toEqual([['orders', 'mail', 'the push target answered 410 Gone']]);
    expect(owned.settled.get('a')).toEqual({ kind: 'nack', error: 'http-410' });
    expect(server.calls).toHaveLength(1);
    expect(owned.given).toBe(1);
  });

  it('settles the delivery also when the pause cannot be stored', async () => {
    const { owned } = await setUp(answering(410), { pause: () => Promise.reject(new Error('the store is away')) });
    owned.add({ id: 'a' });
    await owned.untilSettled(1);
    expect(owned.settled.get('a')).toEqual({ kind: 'nack', error: 'http-410' });
  });

  it('goes on after a store that was away for a take and for an outcome', async () => {
    const { server, owned } = await setUp(answering(200));
    owned.failures = { take: 1, settle: 2 };
    owned.add({ id: 'a' });
    await owned.untilSettled(1);
    expect(owned.settled.get('a')).toEqual({ kind: 'ack' });
    expect(server.calls).toHaveLength(1);
  });

  it('waits at its stop for what is in hand and takes nothing more', async () => {
    let answer = () => {};
    const { server, owned, consumer } = await setUp((_call, response) => void (answer = () => response.end()), {
      concurrency: 1,
    });
    owned.add({ id: 'a' }, { id: 'b' });
    await until(() => server.calls.length === 1);
    const stopped = consumer.stop();
    await until(() => owned.listeners === 0);
    answer();
    await stopped;
    expect([...owned.settled.keys()]).toEqual(['a']);
    owned.add({ id: 'c' });
    expect(owned.given).toBe(1);
  });

  it('ends what is not over in time at its stop, and leaves it unsettled', async () => {
    const { server, owned, consumer } = await setUp(hanging, { timeoutMs: 60_000, stopMs: 50 });
    owned.add({ id: 'a' });
    await until(() => server.calls.length === 1);
    await consumer.stop();
    expect(owned.settled.size).toBe(0);
  });
});

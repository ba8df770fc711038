import { MicroserviceFailure } from '../../src/callback/microservice-failure.js';
import { ExternalForwardConsumer, type ExternalForwardParts } from '../../src/deliver/external-forward.js';
import type { ExternalMessage } from '../../src/deliver/external-sender.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { HandedSubscription, subscriptionConfig, until } from './handed-subscription.js';

/** A transport whose confirmations the test gives. */
class FakeTransport {
  readonly emitted: (ExternalMessage & { transport: string; pattern: string; timeoutMs: number })[] = [];
  /** What the next messages meet; none: they are confirmed. */
  failWith: Error | null = null;
  confirmsWait = false;
  readonly #waiting: (() => void)[] = [];

  async emit(transport: string, pattern: string, message: ExternalMessage, timeoutMs: number): Promise<void> {
    this.emitted.push({ ...message, transport, pattern, timeoutMs });
    if (this.confirmsWait) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.failWith) throw this.failWith;
  }

  confirmAll(): void {
    this.#waiting.splice(0).forEach((confirm) => confirm());
  }
}

const down = new MicroserviceFailure('unreachable', 'no connection: ECONNREFUSED');

let transport: FakeTransport;
let owned: HandedSubscription;
let consumer: ExternalForwardConsumer;

function consume(
  parts: Partial<ExternalForwardParts> = {},
  forward = { transport: 'bus', pattern: 'orders.new' },
): void {
  transport = new FakeTransport();
  owned = new HandedSubscription(subscriptionConfig({ mode: 'forward', forward }));
  consumer = new ExternalForwardConsumer(owned, { sender: transport, logger: silentLogger, ...parts });
  void consumer.start();
}

afterEach(() => {
  transport.confirmAll();
  return consumer.stop();
});

const many = (count: number) => Array.from({ length: count }, (_, index) => ({ id: `m${index}` }));

it('emits a message as a push carries it, and acks when it is confirmed', async () => {
  consume();
  transport.confirmsWait = true;
  owned.add({ id: 'm1', key: 'k', orderingKey: 'o', tag: 't', headers: { a: 'b' } });
  await until(() => transport.emitted.length === 1);
  expect(transport.emitted[0]).toMatchObject({
    transport: 'bus',
    pattern: 'orders.new',
    timeoutMs: 15_000,
    id: 'm1',
    topic: 'orders',
    group: 'mail',
    attempt: 1,
    partitionKey: 'o',
    data: {
      id: 'm1',
      topic: 'orders',
      key: 'k',
      orderingKey: 'o',
      tag: 't',
      headers: { a: 'b' },
      body: { a: 1 },
      attempt: 1,
    },
  });
  expect(owned.settled.size).toBe(0);
  transport.confirmAll();
  await owned.untilSettled(1);
  expect(owned.settled.get('m1')).toEqual({ kind: 'ack' });
  // The claim lasts longer than the confirmation and its storing may take.
  expect(owned.claimsMs[0]).toBe(30_000);
});

it('has a bounded number of messages in hand', async () => {
  consume({ concurrency: 8 });
  transport.confirmsWait = true;
  owned.add(...many(30));
  await until(() => transport.emitted.length === 8);
  transport.confirmsWait = false;
  transport.confirmAll();
  await owned.untilSettled(30);
  expect(owned.inHandMax).toBe(8);
});

it('while the transport is down one message at a time tries it, with growing waits', async () => {
  consume({ concurrency: 8, downMs: 20, downMsMax: 40 });
  transport.failWith = down;
  owned.add(...many(40));
  await owned.untilSettled(8 + 3);
  // The first eight were in hand together; after that each wait is ended by one.
  expect(transport.emitted.length).toBeLessThan(20);
  expect(owned.settled.get('m0')).toEqual({ kind: 'nack', error: 'unreachable: no connection: ECONNREFUSED' });
  transport.failWith = null;
  await owned.untilSettled(40);
  expect([...owned.settled.values()].filter(({ kind }) => kind === 'ack').length).toBeGreaterThan(20);
});

it('a message that the transport never takes holds up no other', async () => {
  consume({ downMs: 60_000 });
  transport.failWith = new MicroserviceFailure('refused', 'the transport refused the message: InvalidArgumentError');
  owned.add({ id: 'large' });
  await owned.untilSettled(1);
  transport.failWith = null;
  owned.add(...many(5));
  await owned.untilSettled(6);
  expect(owned.settled.get('large')!.kind).toBe('nack');
});

it('what fails unexpectedly is a failed attempt, and its text stays inside', async () => {
  consume();
  transport.failWith = new Error('amqp://guest:hush@10.0.0.6 said no');
  owned.add({ id: 'm1' });
  await owned.untilSettled(1);
  expect(owned.settled.get('m1')).toEqual({ kind: 'nack', error: 'not-sent' });
});

it('takes nothing while the target is a topic', async () => {
  consume();
  (owned.config as { forward: unknown }).forward = { topic: 'archive' };
  owned.add({ id: 'm1' });
  await new Promise(setImmediate);
  expect([owned.given, transport.emitted.length]).toEqual([0, 0]);
  (owned.config as { forward: unknown }).forward = { transport: 'bus', pattern: 'orders.new' };
  owned.add({ id: 'm2' });
  await owned.untilSettled(2);
});

it('a stop waits for confirmations, within its bound, and leaves the others unsettled', async () => {
  consume({ stopMs: 50 });
  transport.confirmsWait = true;
  owned.add({ id: 'm1' }, { id: 'm2' });
  await until(() => transport.emitted.length === 2);
  await consumer.stop();
  expect(owned.settled.size).toBe(0);
  transport.confirmAll();
  await new Promise(setImmediate);
  expect(owned.settled.size).toBe(0);
  expect(owned.listeners).toBe(0);
});

import { RunningBroker } from '../api/running-broker.js';

/** A refusal says what is wrong; it is never as large as what it refuses. */
describe('a refusal', () => {
  const answerBytesMax = 64 * 1024;
  const many = 300_000;
  const names = Array.from({ length: many }, (_none, index) => `name${index}`);
  const each = (value: unknown) => Object.fromEntries(names.map((name) => [name, value]));
  let broker: RunningBroker;

  beforeAll(async () => {
    broker = await RunningBroker.start();
  });

  afterAll(() => broker.stop());

  it.each<[string, string, unknown, number]>([
    ['unknown fields', '/v1/messages', { topic: 'orders', body: 1, ...each(1) }, 100],
    ['unknown fields below others', '/v1/messages', { messages: [{ topic: 'orders', body: 1, ...each(1) }] }, 100],
    ['headers', '/v1/messages', { topic: 'orders', body: 1, headers: each('1') }, 1],
    ['headers that are no text', '/v1/messages', { topic: 'orders', body: 1, headers: each(1) }, 1],
    ['messages', '/v1/messages', { messages: names }, 1],
    ['wrong messages', '/v1/messages', { messages: names.slice(0, 1_000) }, 100],
    ['receipts', '/v1/subscriptions/orders/billing/ack', { receipts: names }, 1],
    ['fields of no call', '/v1/dead-letters/redrive', each(1), 100],
  ])('of very many %s is short', async (_what, path, body, errors) => {
    const answer = await broker.post(path, body);
    expect([answer.status, answer.body.errors.length]).toEqual([400, errors]);
    expect(answer.text.length).toBeLessThan(answerBytesMax);
  });

  it('of a very long name is short', async () => {
    const answer = await broker.post('/v1/messages', { topic: 'orders', body: 1, ['x'.repeat(1_000_000)]: 1 });
    expect(answer.status).toBe(400);
    expect(answer.text.length).toBeLessThan(2_000);
  });
});

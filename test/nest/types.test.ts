import type { HalfboxBroker, Producer } from '../../src/index.js';
import { HalfboxModule } from '../../src/index.js';

interface Topics {
  orders: { order: number; item: string };
  invoices: string;
}

/** Never run: what must not compile is checked by the compiler, which `npm run lint` runs over the tests. */
export async function payloads(
  producer: Producer<Topics>,
  broker: HalfboxBroker<Topics>,
  any: Producer,
): Promise<void> {
  await producer.send({ topic: 'orders', body: { order: 1, item: 'tea' } });
  await producer.send([{ topic: 'invoices', body: 'paid', delayMs: 1_000 }]);
  await any.send({ topic: 'whatever', body: [1, 2] });
  await broker.send({ topic: 'invoices', body: 'paid' });
  // @ts-expect-error the body is of another topic
  await producer.send({ topic: 'orders', body: 'paid' });
  // @ts-expect-error a field of the body is missing
  await producer.send([{ topic: 'orders', body: { order: 1 } }]);
  // @ts-expect-error there is no such topic
  await producer.send({ topic: 'order', body: { order: 1, item: 'tea' } });
  // @ts-expect-error a wrong type inside
  producer.sendOneway({ topic: 'orders', body: { order: '1', item: 'tea' } });
  // @ts-expect-error also in a transaction
  await producer.sendInTransaction({ topic: 'invoices', body: 1 }, async () => {});
  await producer.transaction(async (transaction) => {
    transaction.send({ topic: 'invoices', body: 'paid' });
    // @ts-expect-error also inside its work
    transaction.send({ topic: 'invoices', body: 1 });
  });
  // @ts-expect-error also by the embedded broker
  await broker.send({ topic: 'invoices', body: 1 });
}

test('topics of the map are taken, others do not compile', () => {
  expect(HalfboxModule.forRoot<Topics>({ topics: { orders: { shards: 1 } } }).module).toBe(HalfboxModule);
  // @ts-expect-error there is no such topic
  expect(HalfboxModule.forRoot<Topics>({ topics: { order: { shards: 1 } } }).module).toBe(HalfboxModule);
});

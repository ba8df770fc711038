import type { DataSource, EntityManager } from 'typeorm';
import { newId } from '../../../src/message/message-id.js';
import type { OpenedProducer } from '../../../src/client/index.js';
import type { Way } from '../facts.js';
import { intended, messagesOf, type Operation, type Orders } from './operation.js';

/** The work of a local transaction did not like it. */
class Unwilling extends Error {}

/** What calls may end with while brokers are being killed. */
const expected = new Set([
  'SendFailed',
  'BrokerRefused',
  'OutcomeUnknown',
  'TransactionFenced',
  'TransactionRepeated',
  'LocalTransactionTimeout',
  'LocalTransactionLost',
]);

/** Everything that goes through the client: local transactions, the outbox, plain sends. */
export function localOperations(opened: OpenedProducer, dataSource: DataSource, orders: Orders): Operation[] {
  const { producer, outbox } = opened;
  const { random, write } = orders;
  const isSqlite = dataSource.options.type === 'better-sqlite3';

  const work = async (manager: EntityManager, order: string, fails: boolean): Promise<void> => {
    await manager.query(`INSERT INTO shop_order (id) VALUES ('${order}')`);
    if (random.percent(20)) await new Promise((resolve) => setTimeout(resolve, random.next() * 40));
    if (fails) throw new Unwilling();
  };

  /** @param run does it, and answers the places where the broker has said them */
  const begin = async (
    way: Way,
    count: number,
    run: (order: string, messages: ReturnType<typeof messagesOf>, transaction: string) => Promise<string>,
  ): Promise<void> => {
    const order = orders.next();
    const messages = messagesOf(
      orders,
      order,
      count,
      way === 'plain' ? { orderingKey: `plain-${random.integer(1, 12)}` } : {},
    );
    const transaction = newId();
    const decision = way === 'plain' ? 'send' : 'local';
    write({ kind: 'intended', order, way, decision, transaction, messages: messages.map(intended) });
    let how: string;
    try {
      how = await run(order, messages, transaction);
    } catch (error) {
      if (!(error instanceof Unwilling) && !expected.has((error as Error).name)) throw error;
      how = error instanceof Unwilling ? 'rolled back' : `failed: ${(error as Error).name}`;
    }
    write({ kind: 'finished', order, how });
  };

  const inTransaction = (fails: boolean) => () =>
    begin('local', random.integer(1, 3), async (order, messages, transaction) => {
      const { committed } = await producer.sendInTransaction(
        messages,
        (manager) => work(manager, order, fails),
        random.percent(50) ? { transactionId: transaction } : {},
      );
      if (committed) write({ kind: 'answered', order, what: 'committed', places: committed.messages });
      return 'committed';
    });

  const open = (fails: boolean) => () =>
    begin('local-open', random.integer(1, 3), async (order, messages) => {
      const { committed } = await producer.transaction(async ({ manager, send }) => {
        for (const message of messages) send(message);
        await work(manager, order, fails);
      });
      if (committed) write({ kind: 'answered', order, what: 'committed', places: committed.messages });
      return 'committed';
    });

  const throughOutbox = (fails: boolean) => () =>
    begin('outbox', random.integer(1, 2), async (order, messages) => {
      const write = async (manager: EntityManager): Promise<void> => {
        await outbox.add(manager, messages);
        await work(manager, order, fails);
      };
      // Transactions of TypeORM on its one connection to a SQLite file do not wait for each other; those of the client do.
      if (isSqlite) await producer.transaction(({ manager }) => write(manager));
      else await dataSource.transaction(write);
      return 'committed';
    });

  const plain = () =>
    begin('plain', random.integer(1, 4), async (order, messages) => {
      const places = await producer.send(messages);
      write({ kind: 'answered', order, what: 'sent', places });
      return 'sent';
    });

  return [
    { name: 'local', weight: 20, run: inTransaction(false) },
    { name: 'local that fails', weight: 6, run: inTransaction(true) },
    { name: 'open', weight: 8, run: open(false) },
    { name: 'open that fails', weight: 3, run: open(true) },
    { name: 'outbox', weight: 8, run: throughOutbox(false) },
    { name: 'outbox that fails', weight: 2, run: throughOutbox(true) },
    { name: 'plain', weight: 10, run: plain },
  ];
}

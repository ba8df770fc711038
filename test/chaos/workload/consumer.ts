import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import Bull from 'bull';
import { Consumer, Inbox, ReceiptLost, connect } from '../../../src/client/index.js';
import type { ConsumerEntry } from '../facts.js';
import { Journal } from '../journal.js';
import { applicationDatabase } from './database.js';
import { handle, type Delivered } from './handling.js';
import { BrokerHttp } from './http.js';
import { pullSeveral } from './pull-several.js';
import { pull } from './pull.js';

/** All consumers of the workload, in one process. Run by the scene. */
interface ConsumerOptions {
  urls: string[];
  database: string;
  journal: string;
  pushPort: number;
  redisUrl?: string;
}

const { urls, database, journal: path, pushPort, redisUrl } = JSON.parse(process.argv[2]!) as ConsumerOptions;
const journal = new Journal<ConsumerEntry>(path, false);

const pulled = ['orders/pull', 'orders/picky', 'copies/pull', 'brief/pull'] as const;
for (const subscription of pulled) {
  void pull(new BrokerHttp(urls), journal, subscription);
}
void pullSeveral(new BrokerHttp(urls), journal, pulled);

/** Does each message once, in a database of its own. */
const dataSource = await applicationDatabase(database);
const inbox = new Inbox(dataSource);
const { client } = connect({ endpoints: urls });
const consumer = new Consumer({
  client,
  topic: 'orders',
  group: 'inbox',
  subscription: false,
  visibilityMs: 2_000,
  waitMs: 500,
  concurrency: 8,
  onError: (error, { messageId: id }) => {
    if (error instanceof ReceiptLost && id !== undefined)
      journal.write({ kind: 'claim-lost', group: 'orders/inbox', id });
  },
  handler: async (message) => {
    const once = () =>
      inbox.once(message, 'inbox', (manager) => manager.query(`INSERT INTO effect (message) VALUES ('${message.id}')`));
    const how = await handle(journal, 'orders/inbox', message as Delivered, once);
    if (how === 'nack') throw new Error('not now');
  },
});
await consumer.start();

const pushed = createServer((request, response) => {
  void json(request)
    .then((message) => handle(journal, 'orders/push', message as Delivered))
    .then((how) => response.writeHead(how === 'ack' ? 204 : 500).end());
});
pushed.listen(pushPort, '127.0.0.1');

if (redisUrl !== undefined) {
  const queue = new Bull<Delivered>('orders.bull', redisUrl, { prefix: 'halfbox', settings: { stalledInterval: 0 } });
  // Redis comes back, and Bull with it.
  queue.on('error', () => undefined);
  const work = async ({ data }: Bull.Job<Delivered>): Promise<void> => {
    // A worker that has taken no more than a job's name when Redis loses everything is given a job without data by Bull.
    if (data.id === undefined) throw new Error('a job without data is no message');
    if ((await handle(journal, 'orders/bull', data)) === 'nack') throw new Error('not now');
  };
  void queue.process(8, work);
}

process.on('unhandledRejection', (error) => {
  console.error('unhandled', error);
  process.exit(1);
});
process.send?.({ answerTo: 'ready' });

// The order service without NestJS: node:http, TypeORM's DataSource, and halfbox/client.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { connect, HalfboxClientTables1700000000101 } from 'halfbox/client';
import { DataSource } from 'typeorm';

const {
  BROKER_URL = 'http://127.0.0.1:3900',
  DATABASE_URL = 'mysql://root@127.0.0.1:3306/shop',
  PORT = '3000',
} = process.env;

class CreateOrders1700000000200 {
  async up(queryRunner) {
    await queryRunner.query(
      'CREATE TABLE shop_order (id CHAR(36) PRIMARY KEY, item VARCHAR(255) NOT NULL, euros INT NOT NULL)',
    );
  }

  async down(queryRunner) {
    await queryRunner.query('DROP TABLE shop_order');
  }
}

const database = await new DataSource({
  type: 'mysql',
  url: DATABASE_URL,
  migrations: [HalfboxClientTables1700000000101, CreateOrders1700000000200],
  migrationsRun: true,
}).initialize();

const halfbox = connect({ endpoints: [BROKER_URL] });
// Asked how a transaction ended, it answers from the database.
const { producer: shop } = await halfbox.open({ producer: 'shop', dataSource: database });

class CardRefused extends Error {}

/** Saves an order. Its message is delivered when, and only when, the order is in the database. */
async function placeOrder({ item, euros }) {
  const order = { id: randomUUID(), item, euros };
  await shop.sendInTransaction({ topic: 'orders', key: order.id, body: order }, async (manager) => {
    await manager.query('INSERT INTO shop_order (id, item, euros) VALUES (?, ?, ?)', [order.id, item, euros]);
    if (euros > 1_000) throw new CardRefused('the card was refused');
  });
  return order;
}

const server = createServer(async (request, response) => {
  const answer = (status, body) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  try {
    if (request.method !== 'POST' || request.url !== '/orders') return answer(404, { message: 'POST /orders' });
    answer(201, await placeOrder(await json(request)));
  } catch (error) {
    if (!(error instanceof CardRefused)) console.error(error);
    answer(error instanceof CardRefused ? 422 : 500, { message: error.message });
  }
});
server.listen(Number(PORT), '127.0.0.1', () => console.log('ready'));

// Asked to stop, it finishes what it has in hand; until then the brokers can ask about it.
await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
server.close();
await once(server, 'close');
await halfbox.close();
await database.destroy();

// A small order service: HTTP in, its own database, and Halfbox to tell others of an order.
// It knows the broker by HTTP only, so it could be written in any language.
import { once } from 'node:events';
import { createServer } from 'node:http';
import Database from 'libsql';
import { Webhook } from 'standardwebhooks';

const { BROKER_URL, DATABASE_FILE, PORT } = process.env;
const database = new Database(DATABASE_FILE);
database.exec('CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, item TEXT NOT NULL, euros INTEGER NOT NULL)');

/** Orders that this process works on now: how they end is not known yet. */
const inHand = new Set();

/** Places an order so that its message is delivered when, and only when, the order is in the database. */
async function placeOrder(order) {
  inHand.add(order.id);
  try {
    // 1. A half message: the broker keeps it and shows it to nobody.
    await broker('POST', '/v1/transactions', {
      id: order.id,
      producer: 'order-service',
      messages: [{ topic: 'orders', key: order.id, body: { order: order.id, item: order.item } }],
    });
    // 2. The local transaction.
    const refusal = saveOrder(order);
    if (refusal) {
      await broker('POST', `/v1/transactions/${order.id}/rollback`);
      return { state: 'refused', reason: refusal };
    }
    console.log(`${order.id} (${order.item}) is saved in my database`);
    // Only for the example: wait here to be killed.
    if (order.stopBeforeCommit) await once(process, 'never');
    // 3. Now others may know.
    await broker('POST', `/v1/transactions/${order.id}/commit`);
    return { state: 'placed' };
  } finally {
    inHand.delete(order.id);
  }
}

/** Why the order was refused; undefined when it was saved. */
function saveOrder(order) {
  database.exec('BEGIN');
  database.prepare('INSERT INTO orders (id, item, euros) VALUES (?, ?, ?)').run(order.id, order.item, order.euros);
  if (order.euros > 1000) {
    database.exec('ROLLBACK');
    return 'the card was refused';
  }
  database.exec('COMMIT');
  return undefined;
}

/** Check-back: the broker asks how a transaction ended, of which it heard nothing. My database knows. */
function answerCheck({ transactionId }) {
  if (inHand.has(transactionId)) return { resolution: 'unknown' };
  const row = database.prepare('SELECT id FROM orders WHERE id = ?').get(transactionId);
  const resolution = row ? 'commit' : 'rollback';
  console.log(
    `the broker asks about ${transactionId}: ${row ? 'it is' : 'it is not'} in my database, so ${resolution}`,
  );
  return { resolution };
}

async function broker(method, path, body) {
  const answer = await fetch(BROKER_URL + path, {
    method,
    headers: body ? { 'content-type': 'application/json' } : {},
    body: body && JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

async function readText(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

// The producer's name, and where and how soon to ask it. The answer holds the secret that signs the broker's questions.
const { secret } = await broker('PUT', '/v1/producers/order-service', {
  checkBack: { type: 'http', url: `http://127.0.0.1:${PORT}/check-back` },
  firstCheckAfterMs: 1000,
});
const webhook = new Webhook(secret);

createServer(async (request, response) => {
  try {
    const text = await readText(request);
    const answer =
      request.url === '/check-back'
        ? answerCheck(webhook.verify(text, request.headers))
        : await placeOrder(JSON.parse(text));
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
  } catch (error) {
    console.error(error);
    response.writeHead(500).end();
  }
}).listen(Number(PORT), '127.0.0.1', () => console.log('ready'));

// The story of three orders. Starts a broker, an order service and a shipping service as processes of their own.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Child, freePort } from './child.mjs';

const folder = mkdtempSync(join(tmpdir(), 'halfbox-example-'));
const [brokerPort, ordersPort] = [await freePort(), await freePort()];
const brokerUrl = `http://127.0.0.1:${brokerPort}`;
const fileOf = (path) => fileURLToPath(new URL(path, import.meta.url));
const children = [];

function start(name, file, args, env, options) {
  const child = new Child(name, fileOf(file), args, env, options);
  children.push(child);
  return child;
}

async function startBroker() {
  const env = {
    HALFBOX_PORT: String(brokerPort),
    HALFBOX_STORE_URL: `sqlite:${join(folder, 'broker.db')}`,
    HALFBOX_LOG_LEVEL: 'warn',
  };
  start('broker', '../../dist/src/main.js', ['start'], env, { quiet: true });
  const deadline = Date.now() + 30_000;
  for (;;) {
    const ready = await fetch(`${brokerUrl}/health/ready`).then(
      (answer) => answer.ok,
      () => false,
    );
    if (ready) return;
    if (Date.now() > deadline) throw new Error('the broker did not become ready within 30 s');
    await delay(50);
  }
}

async function startOrderService() {
  const env = { BROKER_URL: brokerUrl, DATABASE_FILE: join(folder, 'orders.db'), PORT: String(ordersPort) };
  const service = start('order service', 'order-service.mjs', [], env);
  await service.line('ready');
  return service;
}

async function call(method, url, body) {
  const answer = await fetch(url, {
    method,
    headers: body ? { 'content-type': 'application/json' } : {},
    body: body && JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

const order = (id, item, euros, more = {}) =>
  call('POST', `http://127.0.0.1:${ordersPort}/orders`, { id, item, euros, ...more });

async function tellStory() {
  console.log('Starting a broker, an order service and a shipping service.');
  await startBroker();
  await call('PUT', `${brokerUrl}/v1/topics/orders`, {});
  await call('PUT', `${brokerUrl}/v1/subscriptions/orders/shipping`, { mode: 'pull' });
  const shipping = start('shipping', 'shipping-service.mjs', [], { BROKER_URL: brokerUrl });
  const orders = await startOrderService();

  console.log('\n1. An order that goes well. Its message is delivered after its commit.');
  await order('order-1', 'tea', 4);
  await shipping.line('order-1');

  console.log('\n2. An order that is refused. Its message was stored as well, and nobody will ever see it.');
  const { reason } = await order('order-2', 'gold bar', 60_000);
  console.log(`    [order service] order-2 (gold bar) is rolled back: ${reason}`);
  const refused = await call('GET', `${brokerUrl}/v1/transactions/order-2`);

  console.log('\n3. The order service is killed after it saved an order, and before it could tell the broker.');
  const lost = order('order-3', 'book', 12, { stopBeforeCommit: true }).catch(() => 'no answer');
  await orders.line('order-3');
  await orders.kill();
  console.log('    The order service is dead (SIGKILL). Its customer got', `${await lost}.`);
  console.log('    It is started again, as any supervisor would do. Nothing in it remembers to finish order-3.');
  await startOrderService();
  await shipping.line('order-3');
  const checked = await call('GET', `${brokerUrl}/v1/transactions/order-3`);

  return { refused, checked, shipped: shipping.lines.filter((line) => line.startsWith('order-')) };
}

function sayOutcome({ refused, checked, shipped }) {
  const outcomes = [
    ['order-1: committed, and shipped once', shipped.filter((line) => line.startsWith('order-1')).length === 1],
    [
      `order-2: ${refused.state}, and never shipped`,
      refused.state === 'rolled_back' && !shipped.some((line) => line.startsWith('order-2')),
    ],
    [
      `order-3: ${checked.state} by ${checked.resolvedBy}-back, and shipped once`,
      checked.resolvedBy === 'check' && shipped.filter((line) => line.startsWith('order-3')).length === 1,
    ],
  ];
  console.log('\nOutcome');
  for (const [outcome, asExpected] of outcomes) console.log(`  ${asExpected ? 'ok  ' : 'WRONG'} ${outcome}`);
  return outcomes.every(([, asExpected]) => asExpected);
}

try {
  process.exitCode = sayOutcome(await tellStory()) ? 0 : 1;
} finally {
  const [broker, ...services] = children;
  await Promise.all(services.map((service) => service.kill()));
  await broker?.end();
  rmSync(folder, { recursive: true, force: true });
}

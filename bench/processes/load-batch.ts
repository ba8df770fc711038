import { randomUUID } from 'node:crypto';
import { Client } from 'undici';
import { LoadRecord } from './load-record.js';
import { MessageShape, type Shape } from './message-shape.js';
import { preciseNow, workerOptions } from './serve-calls.js';

/**
 * Closed-loop load over `/v1/transactions/batch`: each call prepares one set and commits the set that the call
 * before it on the same connection prepared.
 */
const options = workerOptions<{ url: string; connections: number; perCall: number; shape: Shape }>();

const run = randomUUID().slice(0, 8);
const shape = new MessageShape(options.shape);
const record = new LoadRecord();

async function connection(): Promise<void> {
  const client = new Client(options.url, { pipelining: 1 });
  let prepared: string[] = [];
  while (!record.halted || prepared.length > 0) {
    const numbers = record.halted ? [] : Array.from({ length: options.perCall }, () => shape.next());
    const calledAt = preciseNow();
    const prepare = numbers.map(
      (n) => `{"id":"${run}-${n}","producer":"bench","messages":[${shape.text(n, calledAt)}]}`,
    );
    const { statusCode, body } = await client.request({
      method: 'POST',
      path: '/v1/transactions/batch',
      headers: { 'content-type': 'application/json' },
      body: `{"prepare":[${prepare.join(',')}],"commit":${JSON.stringify(prepared)},"rollback":[]}`,
    });
    const text = await body.text();
    if (statusCode !== 200 || text.includes('"problem"')) record.failed(`${statusCode} ${text.slice(0, 500)}`);
    else {
      record.prepared(calledAt);
      record.committed(calledAt, prepared.length);
    }
    prepared = numbers.map((n) => `${run}-${n}`);
  }
  await client.close();
}

const connections = Array.from({ length: options.connections }, connection);

record.serve({ ended: () => Promise.all(connections) });

import { Client } from 'undici';
import { preciseNow, serveCalls, workerOptions } from './serve-calls.js';

/**
 * Closed-loop load over `/v1/transactions/batch`: each call prepares one set and commits the set that the call
 * before it on the same connection prepared.
 */
const options = workerOptions<{ url: string; connections: number; perCall: number; bodyBytes: number; run: string }>();

let sequence = 0;
let committed = 0;
let errors = 0;
let halted = false;

async function connection(): Promise<void> {
  const client = new Client(options.url, { pipelining: 1 });
  let prepared: string[] = [];
  while (!halted || prepared.length > 0) {
    const ids = halted ? [] : Array.from({ length: options.perCall }, () => `${options.run}-${(sequence += 1)}`);
    const padding = 'x'.repeat(options.bodyBytes - 32);
    const prepare = ids.map(
      (id) =>
        `{"id":"${id}","producer":"bench","messages":[{"topic":"bench","body":{"t":${preciseNow()},"p":"${padding}"}}]}`,
    );
    const { statusCode, body } = await client.request({
      method: 'POST',
      path: '/v1/transactions/batch',
      headers: { 'content-type': 'application/json' },
      body: `{"prepare":[${prepare.join(',')}],"commit":${JSON.stringify(prepared)},"rollback":[]}`,
    });
    const text = await body.text();
    if (statusCode !== 200 || text.includes('"problem"')) errors += 1;
    else committed += prepared.length;
    prepared = ids;
  }
  await client.close();
}

const connections = Array.from({ length: options.connections }, connection);

serveCalls({
  begin: () => ({ committed, errors }),
  end: () => ({ committed, errors, prepareMs: [], commitMs: [] }),
  halt: async () => {
    halted = true;
    await Promise.all(connections);
    return { committed, errors };
  },
});

import { Agent, request } from 'undici';
import { preciseNow, serveCalls, workerOptions } from './serve-calls.js';

/** Open-loop load: a transaction begins every 1/rate seconds, whether or not the ones before it have been answered. */
const options = workerOptions<{ url: string; ratePerSecond: number; bodyBytes: number; run: string }>();

let sequence = 0;
let committed = 0;
let errors = 0;
let recording = false;
let halted = false;
const prepareMs: number[] = [];
const commitMs: number[] = [];
/** When each transaction's commit was called, by its number. */
const commitCalledAt: [number, number][] = [];
const dispatcher = new Agent({ connections: 64 });
const padding = 'x'.repeat(options.bodyBytes - 32);
const inHand = new Set<Promise<void>>();

async function post(path: string, body?: string): Promise<number> {
  const headers = body === undefined ? {} : { 'content-type': 'application/json' };
  const response = await request(options.url + path, { method: 'POST', headers, body, dispatcher });
  await response.body.dump();
  return response.statusCode;
}

async function transaction(): Promise<void> {
  const number = (sequence += 1);
  const id = `${options.run}-${number}`;
  const startedAt = preciseNow();
  const message = `{"topic":"bench","body":{"t":${startedAt},"n":${number},"p":"${padding}"}}`;
  const prepared = await post('/v1/transactions', `{"id":"${id}","producer":"bench","messages":[${message}]}`);
  const commitAt = preciseNow();
  const resolved = await post(`/v1/transactions/${id}/commit`);
  if (prepared !== 201 || resolved !== 200) errors += 1;
  else committed += 1;
  if (!recording) return;
  prepareMs.push(commitAt - startedAt);
  commitMs.push(preciseNow() - commitAt);
  commitCalledAt.push([number, commitAt]);
}

async function pace(): Promise<void> {
  const startedAt = preciseNow();
  for (let due = 0; !halted; due += 1) {
    const waitMs = startedAt + (due * 1000) / options.ratePerSecond - preciseNow();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    const one = transaction().catch(() => void (errors += 1));
    inHand.add(one);
    void one.finally(() => inHand.delete(one));
  }
}

const pacing = pace();

serveCalls({
  begin: () => {
    recording = true;
    return { committed, errors };
  },
  end: () => {
    recording = false;
    return { committed, errors, prepareMs, commitMs };
  },
  commits: () => commitCalledAt,
  halt: async () => {
    halted = true;
    await pacing;
    await Promise.all(inHand);
    return { committed, errors };
  },
});

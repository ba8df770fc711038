import autocannon from 'autocannon';
import { preciseNow, serveCalls, workerOptions } from './serve-calls.js';

/** Closed-loop load: each connection prepares one transaction, commits it, and goes on. */
const options = workerOptions<{ url: string; connections: number; bodyBytes: number; run: string }>();

let sequence = 0;
let committed = 0;
let errors = 0;
let recording = false;
const prepareMs: number[] = [];
const commitMs: number[] = [];
interface Context {
  id: string;
  sentAt: number;
}

function prepareBody(id: string): string {
  const start = `{"id":"${id}","producer":"bench","messages":[{"topic":"bench","body":{"t":${preciseNow()},"p":"`;
  return `${start}${'x'.repeat(options.bodyBytes - 32)}"}}]}`;
}

let markEnded = (): void => {};
const ended = new Promise<void>((resolve) => {
  markEnded = resolve;
});
const load = {
  url: options.url,
  connections: options.connections,
  duration: 3600,
  requests: [
    {
      method: 'POST',
      path: '/v1/transactions',
      headers: { 'content-type': 'application/json' },
      setupRequest: (request, context) => {
        const mine = context as Context;
        mine.id = `${options.run}-${(sequence += 1)}`;
        mine.sentAt = preciseNow();
        return { ...request, body: prepareBody(mine.id) };
      },
      onResponse: (status, _body, context) => {
        if (status !== 201) errors += 1;
        if (recording) prepareMs.push(preciseNow() - (context as Context).sentAt);
      },
    },
    {
      method: 'POST',
      setupRequest: (request, context) => {
        const mine = context as Context;
        mine.sentAt = preciseNow();
        return { ...request, path: `/v1/transactions/${mine.id}/commit` };
      },
      onResponse: (status, _body, context) => {
        if (status === 200) committed += 1;
        else errors += 1;
        if (recording) commitMs.push(preciseNow() - (context as Context).sentAt);
      },
    },
  ],
} satisfies autocannon.Options;
const instance = autocannon(load, () => markEnded());

serveCalls({
  begin: () => {
    recording = true;
    return { committed, errors };
  },
  end: () => {
    recording = false;
    return { committed, errors, prepareMs, commitMs };
  },
  halt: async () => {
    instance.stop();
    await ended;
    return { committed, errors };
  },
});

import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { ConsumeRecord } from './consume-record.js';
import type { BenchBody } from './message-shape.js';

/** What messages are pushed to: answers 204 to each. */
const record = new ConsumeRecord();
const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    record.received((JSON.parse(Buffer.concat(chunks).toString()) as { body: BenchBody }).body);
    response.writeHead(204).end();
  });
}).listen(0, '127.0.0.1');
await once(server, 'listening');

record.serve({ url: () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/messages` });

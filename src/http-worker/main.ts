import { createServer, type IncomingMessage, type Server } from 'node:http';
import { Socket } from 'node:net';
import { CallerGuard } from '../api/caller.js';
import { answerClientError, refuseExpectation } from '../api/client-error.js';
import { closeAsTheyIdle, keepAliveMs, requestTimeoutMs } from '../api/connection-bounds.js';
import { headOf, upgradesOf } from '../api/upgrades.js';
import { ApiKeys } from '../config/api-keys.js';
import { CallChannel, type LeftCall, type WorkerAnswer, type WorkerCall } from './call-channel.js';
import { WorkerEdge } from './worker-edge.js';
import type { WorkerOptions, WorkerOrder, WorkerReport } from './worker-orders.js';

/** The descriptor of the channel; those before it are the standard ones and Node's own. */
const channelFd = 4;

const report = (what: WorkerReport, connection?: Socket): void => void process.send!(what, connection);

function fail({ code, message }: NodeJS.ErrnoException): void {
  const failed: WorkerReport = { failed: { code, message } };
  process.send!(failed, () => process.exit(1));
}

function listen({ host, port, apiKeys, nodeSecret, streamPath }: WorkerOptions): Server {
  const channel: CallChannel<WorkerCall | LeftCall, WorkerAnswer> = new CallChannel(
    new Socket({ fd: channelFd, readable: true, writable: true }),
    (answer: WorkerAnswer) => edge.answered(answer),
  );
  const edge = new WorkerEdge(channel, new CallerGuard(ApiKeys.restore(apiKeys), nodeSecret));
  const server = createServer({ requestTimeout: requestTimeoutMs, keepAliveTimeout: keepAliveMs }, edge.serve);
  server.on('clientError', answerClientError);
  server.on('checkExpectation', refuseExpectation);
  upgradesOf(server, streamPath).on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    const read = Buffer.concat([Buffer.from(headOf(request), 'latin1'), head]);
    report({ upgrade: read.toString('base64') }, socket);
  });
  server.once('listening', () => report({ listening: true }));
  server.once('error', fail);
  server.listen(port, host);
  return server;
}

let server: Server | undefined;
process.on('message', (order: WorkerOrder) => {
  if ('listen' in order) server = listen(order.listen);
  else {
    server?.close(() => process.exit(0));
    if (server) closeAsTheyIdle(server);
  }
});
// The broker has ended; nobody could answer.
process.on('disconnect', () => process.exit(0));
// A terminal sends it to all processes, and the broker says what its workers do.
process.on('SIGINT', () => {});
report({ started: true });

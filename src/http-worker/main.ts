import { createServer, type IncomingMessage, type Server } from 'node:http';
import { Socket } from 'node:net';
import { Admission } from '../api/admission.js';
import { answerClientError, refuseExpectation } from '../api/client-error.js';
import { closeAsTheyIdle, keepAliveMs, requestTimeoutMs, unacceptedMax } from '../api/connection-bounds.js';
import { afterAnswers, headOf, upgradesOf } from '../api/upgrades.js';
import { CallChannel, channelFd, type LeftCall, type WorkerAnswer, type WorkerCall } from './call-channel.js';
import { KnownCallers } from './known-callers.js';
import { WorkerEdge } from './worker-edge.js';
import type { WorkerOptions, WorkerOrder, WorkerReport } from './worker-orders.js';

/** Refusals are reported together, so soon after the first. */
const refusalsReportedMs = 1_000;

const report = (what: WorkerReport, connection?: Socket): void => void process.send!(what, connection);

function fail({ code, message }: NodeJS.ErrnoException): void {
  const failed: WorkerReport = { failed: { code, message } };
  process.send!(failed, () => process.exit(1));
}

/** Counts refusals, and reports them now and then. */
function countRefusals(): () => void {
  let refused = 0;
  const tell = (): void => {
    report({ refused });
    refused = 0;
  };
  return () => {
    if (refused === 0) setTimeout(tell, refusalsReportedMs).unref();
    refused += 1;
  };
}

/** Gives the connection to the broker, with what was read from it. */
function handOver(request: IncomingMessage, socket: Socket & { _handle?: { readStop?(): void } }, head: Buffer): void {
  // What Node would read until the broker has it would be lost.
  socket._handle?.readStop?.();
  const read = Buffer.concat([Buffer.from(headOf(request), 'latin1'), head]);
  report({ upgrade: read.toString('base64') }, socket);
}

function listen({ host, port, streamPath, ...options }: WorkerOptions): Server {
  const channel: CallChannel<WorkerCall | LeftCall, WorkerAnswer> = new CallChannel(
    new Socket({ fd: channelFd, readable: true, writable: true }),
    (answer: WorkerAnswer) => edge.answered(answer),
  );
  const edge = new WorkerEdge(channel, new KnownCallers(options.apiKeys, options.nodeKey), {
    paths: new Set(options.newWorkPaths),
    admission: new Admission(options.admission, undefined, countRefusals()),
  });
  const server = createServer({ requestTimeout: requestTimeoutMs, keepAliveTimeout: keepAliveMs }, edge.serve);
  server.on('clientError', answerClientError);
  server.on('checkExpectation', refuseExpectation);
  upgradesOf(server, streamPath).on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    afterAnswers(socket, () => handOver(request, socket, head));
  });
  server.once('listening', () => report({ listening: true }));
  server.once('error', fail);
  server.listen({ port, host, backlog: unacceptedMax });
  return server;
}

let server: Server | undefined;
process.on('message', (order: WorkerOrder) => {
  if ('listen' in order) server = listen(order.listen);
  else if (!server) process.exit(0);
  else {
    server.close(() => process.exit(0));
    closeAsTheyIdle(server);
  }
});
// The broker has ended; nobody could answer.
process.on('disconnect', () => process.exit(0));
// Terminals and service managers send these to all processes, and the broker says what its workers do.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
report({ started: true });

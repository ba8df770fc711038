import type { Server } from 'node:http';

/** A request must have arrived whole within this time. */
export const requestTimeoutMs = 60_000;
/** A connection without a request is kept so long. */
export const keepAliveMs = 72_000;
/** Connections that may wait to be accepted, where the system allows as many: one beyond them tries again after seconds. */
export const unacceptedMax = 4_096;
/** How often idle connections are closed while the server closes. */
const idleSweepMs = 50;

/** Closes each connection when its request in hand is answered: a client that keeps it open would hold up the stop. */
export function closeAsTheyIdle(server: Server): void {
  const sweep = setInterval(() => server.closeIdleConnections(), idleSweepMs);
  sweep.unref();
  server.once('close', () => clearInterval(sweep));
}

import autocannon from 'autocannon';
import { Worker } from './children.js';

/** Requests/s of a bare Fastify GET with 128 connections on this machine now: the yardstick that machines are compared by. */
export async function bareRouteRequestsPerSecond(seconds: number): Promise<number> {
  const server = new Worker('bare-route', {}, []);
  try {
    const url = await server.call<string>('url');
    const result = await autocannon({ url, connections: 128, duration: seconds });
    return result.requests.average;
  } finally {
    await server.stop();
  }
}

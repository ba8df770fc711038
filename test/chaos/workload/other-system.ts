import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { ConsumerEntry } from '../facts.js';
import type { Journal } from '../journal.js';
import type { Delivered } from './handling.js';

/**
 * The other system of a forward: a TCP microservice of NestJS (`length#json` frames). It runs in the harness, since what a TCP
 * peer that dies has not read yet is lost, as the docs say.
 */
export class OtherSystem {
  private constructor(
    private readonly server: Server,
    private readonly sockets: Set<Socket>,
  ) {}

  static async start(journal: Journal<ConsumerEntry>): Promise<OtherSystem> {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
      readFrames(socket, (frame) => {
        const { id, attempt, shard, offset, orderingKey } = (frame as { data: Required<Delivered> }).data;
        const group = 'orders/tcp';
        journal.write({ kind: 'got', group, id, attempt, shard, offset, orderingKey });
        journal.write({ kind: 'handled', group, id, attempt, how: 'ack' });
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new OtherSystem(server, sockets);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }
}

function readFrames(socket: Socket, take: (frame: unknown) => void): void {
  let read = Buffer.alloc(0);
  socket.on('data', (data) => {
    read = Buffer.concat([read, data]);
    for (;;) {
      const mark = read.indexOf('#');
      if (mark < 0) return;
      // The length counts characters of the text; ours are ASCII.
      const end = mark + 1 + Number(read.subarray(0, mark).toString());
      if (read.length < end) return;
      take(JSON.parse(read.subarray(mark + 1, end).toString()));
      read = read.subarray(end);
    }
  });
}

import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** What a target does instead of answering. */
export type Misbehaviour = 'hang' | 'drip' | 'huge' | 'garbage';

const hugeBytes = 10 * 1024 * 1024;

/**
 * Stands before an HTTP server. While it misbehaves, half of the calls reach the server and half do not, and none is answered
 * as it should be.
 */
export class BadFront {
  misbehaves: Misbehaviour | undefined;
  /** URL of the server behind. */
  target: string | undefined;
  readonly #sockets = new Set<Socket>();
  #calls = 0;

  private constructor(private readonly server: Server) {}

  static async start(): Promise<BadFront> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const front = new BadFront(server);
    server.on('request', (incoming, outgoing) => front.#answer(incoming, outgoing));
    server.on('connection', (socket) => {
      front.#sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => front.#sockets.delete(socket));
    });
    return front;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/`;
  }

  /** Calls that were answered badly. */
  get calls(): number {
    return this.#calls;
  }

  async close(): Promise<void> {
    this.server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.server, 'close');
  }

  #answer(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const how = this.misbehaves;
    if (how !== undefined) this.#calls += 1;
    if (how !== undefined && this.#calls % 2 === 0) {
      incoming.resume();
      this.#misbehave(how, outgoing, 500);
      return;
    }
    const { method, headers } = incoming;
    const passed = request(this.target!, { method: method!, headers }, (answer) => {
      const { statusCode = 500 } = answer;
      if (how !== undefined) {
        answer.resume();
        this.#misbehave(how, outgoing, statusCode);
        return;
      }
      outgoing.writeHead(statusCode, answer.headers);
      answer.pipe(outgoing);
    });
    passed.on('error', () => outgoing.destroy());
    incoming.on('error', () => passed.destroy()).pipe(passed);
  }

  /** The status stays that of the server behind, where one was asked: a 2xx is what a push waits for, whatever follows it. */
  #misbehave(how: Misbehaviour, outgoing: ServerResponse, status: number): void {
    if (how === 'hang') return;
    if (how === 'garbage') {
      outgoing.socket?.end(Buffer.from('\u0000\u0001 NONSENSE /\r\n\r\n{"resolution":"commit"}\r\n'));
      return;
    }
    outgoing.writeHead(status, { 'content-type': 'application/json' });
    if (how === 'huge') {
      outgoing.end(Buffer.alloc(hugeBytes, ' '));
      return;
    }
    const timer = setInterval(() => outgoing.write(' '), 100);
    outgoing.on('close', () => clearInterval(timer));
  }
}

import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request that a {@link TargetServer} got. */
export interface ReceivedCall {
  headers: Record<string, string>;
  path: string;
  text: string;
}

/** A real HTTP server on loopback that stands for a producer or a push target. */
export class TargetServer {
  readonly calls: ReceivedCall[] = [];
  readonly #server: Server;
  /** How many calls were under way at the same time at most. */
  concurrencyMax = 0;
  #concurrency = 0;

  /** @param reply answers each call; a call that it leaves open hangs */
  constructor(public reply: (call: ReceivedCall, response: ServerResponse) => void | Promise<void>) {
    const listener: RequestListener = (request, response) => void this.#take(request, response);
    this.#server = createServer(listener);
  }

  /** Starts to listen; on the port of before, when it was closed in between. */
  async listen(port = 0): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
    return this;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/hook`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#concurrency += 1;
    this.concurrencyMax = Math.max(this.concurrencyMax, this.#concurrency);
    response.on('close', () => (this.#concurrency -= 1));
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const call = {
      headers: request.headers as Record<string, string>,
      path: request.url ?? '',
      text: Buffer.concat(chunks).toString(),
    };
    this.calls.push(call);
    await this.reply(call, response);
  }
}

/** A reply of this status and body. */
export function answering(status: number, body = '', headers: Record<string, string> = {}) {
  return (_call: ReceivedCall, response: ServerResponse) => {
    response.writeHead(status, headers).end(body);
  };
}

/** A reply that never comes. */
export function hanging(): void {}

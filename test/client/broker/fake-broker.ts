import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An HTTP server that answers what a test tells it to, and remembers the paths and times of the calls. */
export class FakeBroker {
  readonly calls: { path: string; at: number }[] = [];
  /** Answers a call; told anew by each test. */
  answer: (path: string, response: ServerResponse) => void = (_path, response) => void response.end('{}');
  readonly #server: Server;

  private constructor(readonly storeId: string) {
    this.#server = createServer((request, response) => this.#receive(request, response));
  }

  static async start(storeId = 'store-1'): Promise<FakeBroker> {
    const broker = new FakeBroker(storeId);
    broker.#server.listen(0, '127.0.0.1');
    await once(broker.#server, 'listening');
    return broker;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The calls that are not looks at the list of brokers. */
  get realCalls(): number {
    return this.calls.filter(({ path }) => path !== '/v1/nodes').length;
  }

  /** Answers `GET /v1/nodes` as a broker does that is alone, and everything else `{}`. */
  answerWell(): void {
    this.answer = (path, response) =>
      void response.end(path === '/v1/nodes' ? JSON.stringify({ storeId: this.storeId, items: [], next: null }) : '{}');
  }

  /** Answers everything with this status. */
  answerStatus(status: number): void {
    this.answer = (_path, response) => void response.writeHead(status, { 'retry-after': '1' }).end('{}');
  }

  /** Cuts the connection of every call. */
  cutAll(): void {
    this.answer = (_path, response) => void response.destroy();
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  #receive(request: IncomingMessage, response: ServerResponse): void {
    request.resume().on('end', () => {
      this.calls.push({ path: request.url!, at: performance.now() });
      this.answer(request.url!, response);
    });
  }
}

import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** Where a cut happens: the packet does not reach the server, or it does and its answer does not come back. */
export type CutPoint = 'before-server' | 'before-answer';

interface Cut {
  /** Packets of clients that still pass. */
  packets: number;
  point: CutPoint;
}

interface Link {
  client: Socket;
  server: Socket;
  /** The answer to the last packet is to be lost. */
  losesAnswer: boolean;
}

/** A TCP proxy before a server that cuts or holds connections at an exact place. For protocols where one side speaks at a time. */
export class TcpProxy {
  readonly #server: Server;
  readonly #links = new Set<Link>();
  readonly #ending = new Set<Socket>();
  #cut: Cut | undefined;
  #isFrozen = false;
  #isDown = false;

  private constructor(
    private readonly host: string,
    private readonly port: number,
  ) {
    this.#server = createServer((client) => this.#link(client));
  }

  static async before(host: string, port: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(host, port);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  /** The same URL, through this proxy. */
  through(url: string): string {
    const proxied = new URL(url);
    proxied.hostname = '127.0.0.1';
    proxied.port = String((this.#server.address() as AddressInfo).port);
    return proxied.href;
  }

  /** Lets `packets` packets of clients pass and cuts the connection at the one after them. */
  cutAt(packets: number, point: CutPoint): void {
    this.#cut = { packets, point };
  }

  /** Takes a cut back that has not happened; answers whether it was still to come. */
  disarm(): boolean {
    const wasArmed = this.#cut !== undefined;
    this.#cut = undefined;
    return wasArmed;
  }

  /** Cuts every connection and refuses new ones until {@link recover}. */
  goDown(): void {
    this.#isDown = true;
    for (const link of this.#links) this.#sever(link);
  }

  /** Swallows everything that clients send, without a sign, until {@link recover}. */
  freeze(): void {
    this.#isFrozen = true;
  }

  /** New connections work again; frozen ones do not, as after a network that lost packets for long. */
  recover(): void {
    if (this.#isFrozen) for (const link of this.#links) this.#sever(link);
    this.#isDown = false;
    this.#isFrozen = false;
  }

  /** Resolves when the server is done with every connection that was cut. */
  async settled(): Promise<void> {
    await Promise.all([...this.#ending].map((socket) => once(socket, 'close')));
  }

  async close(): Promise<void> {
    for (const link of this.#links) this.#sever(link);
    await this.settled();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #link(client: Socket): void {
    if (this.#isDown) {
      client.resetAndDestroy();
      return;
    }
    const link: Link = { client, server: connect(this.port, this.host), losesAnswer: false };
    this.#links.add(link);
    client.on('data', (data) => this.#fromClient(link, data));
    link.server.on('data', (data) => this.#fromServer(link, data));
    for (const socket of [client, link.server]) {
      socket.setNoDelay(true);
      socket.on('close', () => this.#sever(link));
      // What went wrong shows at the other end; 'close' follows.
      socket.on('error', () => undefined);
    }
  }

  #fromClient(link: Link, data: Buffer): void {
    if (this.#isFrozen) return;
    const cut = this.#cut;
    if (cut && cut.packets-- === 0) {
      this.#cut = undefined;
      if (cut.point === 'before-server') return this.#sever(link);
      link.losesAnswer = true;
    }
    link.server.write(data);
  }

  #fromServer(link: Link, data: Buffer): void {
    if (this.#isFrozen || !this.#links.has(link)) return;
    if (link.losesAnswer) this.#sever(link);
    else link.client.write(data);
  }

  /** The client loses its connection at once. The server sees its end after what it was sent, which it still does. */
  #sever(link: Link): void {
    if (!this.#links.delete(link)) return;
    link.client.destroy();
    if (link.server.connecting || link.server.destroyed) {
      link.server.destroy();
      return;
    }
    this.#ending.add(link.server);
    link.server.once('close', () => this.#ending.delete(link.server));
    link.server.end();
  }
}

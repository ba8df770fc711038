import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** Where a cut happens: the packet does not reach the server, or it does and its answer does not come back. */
export type CutPoint = 'before-server' | 'before-answer';

interface Cut {
  /** Packets of clients that still pass. */
  packets: number;
  point: CutPoint;
  /** Instead of a cut: what is on its way stays in the middle for so long and then goes on. */
  holdMs?: number;
}

interface Link {
  client: Socket;
  server: Socket;
  /** The answer to the last packet is to be lost. */
  losesAnswer: boolean;
  /** Until what is on its way in one direction goes on. */
  held: { fromClient?: Promise<void> | undefined; fromServer?: Promise<void> | undefined };
  /** The answer to the last packet is to be late. */
  holdsAnswerMs?: number | undefined;
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

  /** Lets `packets` packets of clients pass; the one after them, or its answer, goes on only after `holdMs`. */
  holdAt(packets: number, point: CutPoint, holdMs: number): void {
    this.#cut = { packets, point, holdMs };
  }

  /** Whether a cut or a delay is still to come. */
  get isArmed(): boolean {
    return this.#cut !== undefined;
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
    const link: Link = { client, server: connect(this.port, this.host), losesAnswer: false, held: {} };
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
      const { point, holdMs } = cut;
      if (holdMs !== undefined) {
        if (point === 'before-server') this.#hold(link, 'fromClient', holdMs);
        else link.holdsAnswerMs = holdMs;
      } else if (point === 'before-server') return this.#sever(link);
      else link.losesAnswer = true;
    }
    this.#pass(link, 'fromClient', () => link.server.write(data));
  }

  #fromServer(link: Link, data: Buffer): void {
    if (this.#isFrozen || !this.#links.has(link)) return;
    if (link.losesAnswer) return this.#sever(link);
    if (link.holdsAnswerMs !== undefined) {
      this.#hold(link, 'fromServer', link.holdsAnswerMs);
      link.holdsAnswerMs = undefined;
    }
    this.#pass(link, 'fromServer', () => link.client.write(data));
  }

  /** What comes from one side stays here for a while. */
  #hold(link: Link, from: keyof Link['held'], holdMs: number): void {
    const held = new Promise<void>((resolve) => setTimeout(resolve, holdMs));
    link.held[from] = held;
    void held.then(() => (link.held[from] = undefined));
  }

  /** At once, or in its turn behind what is held. */
  #pass(link: Link, from: keyof Link['held'], write: () => void): void {
    const held = link.held[from];
    if (!held) return void write();
    void held.then(() => {
      if (this.#links.has(link)) write();
    });
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

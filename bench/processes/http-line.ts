import { connect, type Socket } from 'node:net';

const headEnd = '\r\n\r\n';
const lengthField = /\r\ncontent-length: *(\d+)/i;

export interface LineListener {
  /** A whole answer came. */
  answered(status: number): void;
  /** The connection ended without one. */
  broken(error: Error): void;
}

/**
 * One kept HTTP/1.1 connection with one request under way, for answers that say their length. It reads no more of an answer
 * than its status and its length: on the machine of the broker, each microsecond of the load is one that the broker lacks.
 */
export class HttpLine {
  readonly #host: string;
  readonly #socket: Socket;
  #received = '';

  constructor(
    url: string,
    private readonly listener: LineListener,
  ) {
    const { hostname, port, host } = new URL(url);
    this.#host = host;
    const onread = {
      buffer: Buffer.allocUnsafe(16 * 1024),
      callback: (bytes: number, buffer: Uint8Array) => this.#read((buffer as Buffer).toString('latin1', 0, bytes)),
    };
    this.#socket = connect({ host: hostname, port: Number(port), noDelay: true, onread });
    this.#socket.on('error', (error) => this.listener.broken(error));
    this.#socket.on('end', () => this.listener.broken(new Error('the broker closed the connection')));
  }

  /** Posts a JSON text, or nothing at all. The text must be ASCII. */
  post(path: string, json?: string): void {
    const head = `POST ${path} HTTP/1.1\r\nhost: ${this.#host}\r\nconnection: keep-alive\r\n`;
    const rest =
      json === undefined
        ? 'content-length: 0\r\n\r\n'
        : `content-type: application/json\r\ncontent-length: ${json.length}\r\n\r\n${json}`;
    this.#socket.write(head + rest, 'latin1');
  }

  /** Closes the connection; to be called between two requests. */
  close(): void {
    this.#socket.destroy();
  }

  #read(text: string): true {
    this.#received = this.#received === '' ? text : this.#received + text;
    const end = this.#received.indexOf(headEnd);
    if (end < 0) return true;
    const length = lengthField.exec(this.#received)?.[1];
    if (length === undefined) {
      this.listener.broken(new Error('an answer does not say its length'));
      return true;
    }
    if (this.#received.length < end + headEnd.length + Number(length)) return true;
    const status = Number(this.#received.slice(9, 12));
    this.#received = '';
    this.listener.answered(status);
    return true;
  }
}

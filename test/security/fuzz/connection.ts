import { connect, type Socket } from 'node:net';

/** One answer of the server, read from the bytes of a connection. */
export interface RawAnswer {
  status: number;
  /** Names in small letters; a name that comes twice is joined by a comma. */
  headers: Record<string, string>;
  body: Buffer;
  /** What was sent before on the same connection: an answer that is none to its request may be one to the rest of that. */
  before?: string;
}

const headersEnd = Buffer.from('\r\n\r\n');

/**
 * A bare connection to a server. It sends whatever it is told, which no HTTP client would do, and reads the answers
 * strictly: what is no HTTP/1.1 answer, or longer than it said, is an error.
 */
export class RawConnection {
  #held = Buffer.alloc(0);
  #ended = false;
  #changed: () => void = () => {};
  /** What was sent last. */
  sent: Buffer | string = '';

  private constructor(private readonly socket: Socket) {
    socket.on('data', (data: Buffer) => {
      this.#held = Buffer.concat([this.#held, data]);
      this.#changed();
    });
    // A server that ends a connection may reset it, when more had been sent than it read.
    socket.on('error', () => this.#end());
    socket.on('close', () => this.#end());
  }

  static async open(port: number): Promise<RawConnection> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new RawConnection(socket);
  }

  /** Whether the server has ended it, and nothing more can be read. */
  get over(): boolean {
    return this.#ended && this.#held.length === 0;
  }

  /** Bytes that came and belong to no answer that was read. */
  get unread(): Buffer {
    return this.#held;
  }

  send(bytes: Buffer | string): void {
    this.sent = bytes;
    if (!this.#ended) this.socket.write(bytes);
  }

  /** Says that nothing more will be sent. */
  finish(): void {
    this.socket.end();
  }

  close(): void {
    this.socket.destroy();
  }

  /** The next answer; null when the connection ended without one. Fails when neither comes in time. */
  async answer(timeoutMs: number, toHead = false): Promise<RawAnswer | null> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const read = readAnswer(this.#held, this.#ended, toHead);
      if (read) {
        this.#held = this.#held.subarray(read.length);
        return read.answer;
      }
      if (this.#ended) {
        if (this.#held.length > 0) throw new Error(`half an answer: ${this.#held.toString('latin1').slice(0, 300)}`);
        return null;
      }
      await this.#change(deadline - performance.now(), timeoutMs);
    }
  }

  /** Resolves when the server has ended the connection; fails when it has not in time. */
  async ended(timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!this.#ended) await this.#change(deadline - performance.now(), timeoutMs);
  }

  #change(leftMs: number, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`the server hangs: nothing within ${timeoutMs} ms`)), leftMs);
      this.#changed = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #end(): void {
    this.#ended = true;
    this.#changed();
  }
}

/** The first answer of these bytes and how long it is; null while it is not whole. */
function readAnswer(bytes: Buffer, ended: boolean, toHead: boolean): { answer: RawAnswer; length: number } | null {
  const end = bytes.indexOf(headersEnd);
  if (end < 0) return null;
  const [first = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
  const status = /^HTTP\/1\.1 (\d{3}) [^\r\n]*$/.exec(first)?.[1];
  if (status === undefined) throw new Error(`not an answer: ${first.slice(0, 200)}`);
  const headers = readHeaders(lines);
  const start = end + headersEnd.length;
  const body = readBody(bytes.subarray(start), headers, ended, toHead || Number(status) < 200 || status === '204');
  return body && { answer: { status: Number(status), headers, body: body.bytes }, length: start + body.length };
}

function readHeaders(lines: string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([^\r\n\0]*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) throw new Error(`not a header: ${JSON.stringify(line)}`);
    const known = headers[name.toLowerCase()];
    headers[name.toLowerCase()] = known === undefined ? value : `${known}, ${value}`;
  }
  return headers;
}

function readBody(
  bytes: Buffer,
  headers: Record<string, string>,
  ended: boolean,
  none: boolean,
): { bytes: Buffer; length: number } | null {
  if (none) return { bytes: Buffer.alloc(0), length: 0 };
  if (headers['transfer-encoding'] === 'chunked') return readChunks(bytes);
  const length = headers['content-length'];
  // Without a length the end of the connection is the end of the body.
  if (length === undefined) return ended ? { bytes, length: bytes.length } : null;
  if (!/^\d+$/.test(length)) throw new Error(`content-length: ${length}`);
  return bytes.length < Number(length) ? null : { bytes: bytes.subarray(0, Number(length)), length: Number(length) };
}

function readChunks(bytes: Buffer): { bytes: Buffer; length: number } | null {
  const chunks: Buffer[] = [];
  for (let at = 0; ;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) return null;
    const size = Number.parseInt(bytes.subarray(at, lineEnd).toString('latin1'), 16);
    const next = lineEnd + 2 + size + 2;
    if (bytes.length < next) return null;
    if (size === 0) return { bytes: Buffer.concat(chunks), length: next };
    chunks.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = next;
  }
}

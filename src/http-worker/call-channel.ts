import type { Duplex } from 'node:stream';
import { Packr } from 'msgpackr';
import { FrameReader, lengthOf } from './frames.js';

/** Headers as Node has read them: names in lower case. */
export type Headers = Record<string, string | string[] | undefined>;

/** A request that an HTTP worker has read whole. A tuple, since names would travel with each. */
export type WorkerCall = [id: number, method: string, url: string, headers: Headers, body: Uint8Array | null];

/** Nobody waits for the answer of the call any more. */
export type LeftCall = [id: number];

/** What the broker answers to a call. */
export type WorkerAnswer = [
  id: number,
  status: number,
  headers: Record<string, string | number>,
  body: string | Uint8Array,
];

/** The worker's end among its descriptors: those before it are the standard ones and Node's own. */
export const channelFd = 4;
/** Bodies of one frame, about: what was packed once stays as large as the largest frame. */
const frameBytesMax = 1024 * 1024;

/**
 * Carries calls and answers between the broker and one of its HTTP workers, in their order. What is sent in one turn of the
 * event loop travels as one frame, or several where bodies are large: a list in MessagePack.
 */
export class CallChannel<Sent extends WorkerCall | LeftCall | WorkerAnswer, Received> {
  readonly #packr = new Packr({ useRecords: false, moreTypes: false });
  #waiting: Sent[] = [];
  #waitingBytes = 0;

  /** @param onReceived called for each item that comes */
  constructor(
    private readonly stream: Duplex,
    onReceived: (item: Received) => void,
  ) {
    const reader = new FrameReader((frame) => {
      for (const item of this.#packr.unpack(frame) as Received[]) onReceived(item);
    });
    stream.on('data', (bytes: Buffer) => reader.read(bytes));
    // The end of the other process is heard of by its exit.
    stream.on('error', () => stream.destroy());
  }

  /** What is sent to a process that has ended is dropped with it. */
  send(item: Sent): void {
    this.#waiting.push(item);
    this.#waitingBytes += bodyOf(item)?.length ?? 0;
    if (this.#waitingBytes >= frameBytesMax) this.#flush();
    else if (this.#waiting.length === 1) setImmediate(() => this.#flush());
  }

  /** Nothing more comes, and what is sent is dropped. */
  close(): void {
    this.stream.destroy();
  }

  #flush(): void {
    if (this.#waiting.length === 0) return;
    const frame = this.#packr.pack(this.#waiting);
    this.#waiting = [];
    this.#waitingBytes = 0;
    if (!this.stream.writable) return;
    this.stream.cork();
    this.stream.write(lengthOf(frame));
    this.stream.write(frame);
    this.stream.uncork();
  }
}

/** The last of both, where there is one. */
function bodyOf(item: WorkerCall | LeftCall | WorkerAnswer): string | Uint8Array | null {
  return item.length === 1 ? null : (item.at(-1) as string | Uint8Array | null);
}

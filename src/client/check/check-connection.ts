import type { IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import { refusal } from '../broker/halfbox-client.js';
import type { BrokerRefused } from '../errors.js';
import type { Question } from './answerer.js';

/** Largest question that is read: a transaction's messages are at most 16 MiB as they are sent. */
const questionBytesMax = 32 * 1024 * 1024;
/** As much of a refusal as is read. */
const refusalCharactersMax = 64 * 1024;
/** Signs of life that may be missing before a broker counts as gone. */
const missedBeatsMax = 2.5;
/** Until the broker's first sign of life says how often they come. */
const firstBeatMs = 10_000;
/** How long a broker has to take part in the closing. */
const closeMs = 1_000;

export interface CheckConnectionOptions {
  url: string;
  producer: string;
  instance: string;
  apiKey: string | undefined;
  connectTimeoutMs: number;
  onOpen: () => void;
  /** `answer` sends a text back; it does nothing once the connection has ended. */
  onQuestion: (id: string, question: Question) => void;
  onRefused: (error: BrokerRefused) => void;
  /** Told once. */
  onEnd: (code: number, reason: string) => void;
}

/** One connection to one broker, from the first try to its end. Throws `TypeError` for what is not a URL. */
export class CheckConnection {
  readonly #socket: WebSocket;
  readonly #deadline: { timer: NodeJS.Timeout; afterMs: number };
  #ended = false;

  constructor(private readonly options: CheckConnectionOptions) {
    const { url, apiKey, connectTimeoutMs, onOpen } = options;
    const address = addressOf(options);
    this.#deadline = this.#expectWithin(connectTimeoutMs);
    const socket = new WebSocket(address, {
      perMessageDeflate: false,
      maxPayload: questionBytesMax,
      handshakeTimeout: connectTimeoutMs,
      headers: apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` },
    });
    this.#socket = socket;
    socket.on('open', () => {
      this.#expectAgain(firstBeatMs * missedBeatsMax);
      onOpen();
    });
    socket.on('message', (data) => this.#receive((data as Buffer).toString('utf8')));
    socket.on('unexpected-response', (_request, response) => void this.#refused(response));
    socket.on('error', (error) => this.#end(1006, `${url}: ${error.message}`));
    socket.on('close', (code, reason) => this.#end(code, reason.toString()));
  }

  /** Sends a message; one that cannot be sent is lost with the connection. */
  send(message: object): void {
    if (!this.#ended && this.#socket.readyState === WebSocket.OPEN)
      this.#socket.send(JSON.stringify(message), () => {});
  }

  /** Ends it; resolves when it is closed, or after a second without. */
  async close(): Promise<void> {
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    const closed = new Promise<void>((resolve) => this.#socket.once('close', () => resolve()));
    const timer = setTimeout(() => this.#socket.terminate(), closeMs);
    this.#socket.close(1000);
    await closed;
    clearTimeout(timer);
  }

  #receive(text: string): void {
    if (this.#ended) return;
    const message = parse(text);
    if (message?.type === 'heartbeat') {
      if (typeof message.everyMs === 'number') this.#expectAgain(message.everyMs * missedBeatsMax);
      this.send({ type: 'heartbeat' });
      return;
    }
    this.#expectAgain(this.#deadline.afterMs);
    // What later brokers may say besides is not for this client.
    if (message?.type !== 'question' || typeof message.id !== 'string') return;
    const { id, question } = message;
    if (isQuestion(question)) this.options.onQuestion(id, question);
    else this.send({ type: 'error', id, message: 'this is no question' });
  }

  async #refused(response: IncomingMessage): Promise<void> {
    let text = '';
    try {
      response.setEncoding('utf8');
      for await (const part of response) {
        text += part as string;
        if (text.length > refusalCharactersMax) break;
      }
    } catch {
      // What came of it says enough.
    }
    const status = response.statusCode ?? 0;
    if (!this.#ended) this.options.onRefused(refusal({ status, text }));
    this.#end(1006, `refused with ${status}`);
    this.#socket.terminate();
  }

  #expectWithin(afterMs: number): { timer: NodeJS.Timeout; afterMs: number } {
    return { timer: setTimeout(() => this.#dead(), afterMs), afterMs };
  }

  #expectAgain(afterMs: number): void {
    clearTimeout(this.#deadline.timer);
    if (!this.#ended) Object.assign(this.#deadline, this.#expectWithin(afterMs));
  }

  #dead(): void {
    this.#end(1006, 'no sign of life');
    this.#socket.terminate();
  }

  #end(code: number, reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#deadline.timer);
    this.options.onEnd(code, reason);
  }
}

function addressOf({ url, producer, instance }: CheckConnectionOptions): URL {
  const address = new URL(`/v1/producers/${encodeURIComponent(producer)}/checks`, url);
  address.searchParams.set('instance', instance);
  address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
  return address;
}

/** Whether it says what an answerer decides by. */
function isQuestion(question: unknown): question is Question {
  const { transactionId, producer, attempt, preparedAt, askedAt, messages } = (question ?? {}) as Partial<Question>;
  const hasTimes = [preparedAt, askedAt].every((time) => typeof time === 'string' && !Number.isNaN(Date.parse(time)));
  const isNamed = typeof transactionId === 'string' && typeof producer === 'string' && typeof attempt === 'number';
  return isNamed && hasTimes && Array.isArray(messages);
}

interface BrokerMessage {
  type?: unknown;
  id?: unknown;
  everyMs?: unknown;
  question?: unknown;
}

function parse(text: string): BrokerMessage | null {
  try {
    return JSON.parse(text) as BrokerMessage | null;
  } catch {
    return null;
  }
}

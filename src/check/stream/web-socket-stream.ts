import type { WebSocket } from 'ws';
import type { CheckAnswer, CheckQuestion } from '../producer-asker.js';
import { questionText } from '../question.js';
import { readClientMessage } from './client-message.js';
import { outOfTime, type Stream, type StreamAnswer } from './stream.js';
import type { StreamSettings } from './stream-settings.js';

/** Signs of life that may be missing before a stream counts as dead. */
const missedBeatsMax = 2;

/** Close codes of the WebSocket protocol (RFC 6455 §7.4.1). */
export const goingAway = 1001;
const policyViolation = 1008;

/**
 * A stream that a client holds open to this node: JSON text messages, `{type:"question", id, question}` and
 * `{type:"heartbeat", everyMs}` to the client, what `readClientMessage` takes from it. A client that sends anything else,
 * too much, or nothing for too long, or that does not read, loses its stream.
 */
export class WebSocketStream implements Stream {
  readonly inProcess = false;
  readonly #underWay = new Map<string, (answer: StreamAnswer) => void>();
  readonly #beat: NodeJS.Timeout;
  #asked = 0;
  #missedBeats = 0;
  #surplus = 0;
  #ended = false;

  /** @param onEnd told once, when nothing can be asked over it any more */
  constructor(
    private readonly socket: WebSocket,
    readonly producer: string,
    readonly instance: string,
    private readonly settings: StreamSettings,
    private readonly onEnd: () => void,
  ) {
    socket.on('message', (data, isBinary) => this.#receive(data as Buffer, isBinary));
    // Each is answered by itself, read or not.
    socket.on('ping', () => this.#noteSurplus());
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#end({ gone: 'the stream was closed' }));
    this.#beat = setInterval(() => this.#heartbeat(), settings.heartbeatMs);
    this.#sayAlive();
  }

  ask(question: CheckQuestion, signal: AbortSignal): Promise<StreamAnswer> {
    if (this.#ended) return Promise.resolve({ gone: 'the stream was closed' });
    if (signal.aborted) return Promise.resolve(outOfTime);
    if (this.#underWay.size >= this.settings.questionsMax) {
      return Promise.resolve(notAnswered('unreachable', 'too many questions are under way on its stream'));
    }
    const id = String((this.#asked += 1));
    return new Promise((resolve) => {
      const onAbort = (): void => settle(outOfTime);
      const settle = (answer: StreamAnswer): void => {
        this.#underWay.delete(id);
        signal.removeEventListener('abort', onAbort);
        resolve(answer);
      };
      this.#underWay.set(id, settle);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#send(`{"type":"question","id":"${id}","question":${questionText(question)}}`);
    });
  }

  close(code: number, reason: string): void {
    if (this.#ended) return;
    this.#end({ gone: `the stream was closed: ${reason}` });
    this.socket.close(code, reason);
    this.#terminateSoon();
  }

  #send(text: string): void {
    // A failure to send is followed by the event `close`.
    this.socket.send(text, () => {});
    if (this.socket.bufferedAmount <= this.settings.bufferedBytesMax) return;
    this.#end({ gone: 'the stream is not read' });
    this.socket.terminate();
  }

  #receive(data: Buffer, isBinary: boolean): void {
    if (this.#ended) return;
    this.#missedBeats = 0;
    const message = isBinary ? null : readClientMessage(data.toString('utf8'));
    if (!message) return this.#violated('a message that is not of the contract');
    const settle = message.heartbeat ? undefined : this.#underWay.get(message.id);
    if (settle && !message.heartbeat) return settle({ answer: message.answer });
    // A sign of life, or an answer that came too late.
    this.#noteSurplus();
  }

  #noteSurplus(): void {
    this.#surplus += 1;
    if (!this.#ended && this.#surplus > this.settings.surplusMax) this.#violated('too many messages');
  }

  #heartbeat(): void {
    this.#surplus = 0;
    if (this.#missedBeats >= missedBeatsMax) {
      this.#end({ gone: 'the stream gave no sign of life' });
      this.socket.terminate();
      return;
    }
    this.#missedBeats += 1;
    this.#sayAlive();
  }

  #sayAlive(): void {
    this.#send(`{"type":"heartbeat","everyMs":${this.settings.heartbeatMs}}`);
  }

  /** A connection that broke; or a frame that the WebSocket library refused, and answers by closing. */
  #fail(error: Error & { code?: string }): void {
    const refused = error.code?.startsWith('WS_ERR_') ?? false;
    this.#end(refused ? notAnswered('invalid', `the stream sent ${error.message}`) : { gone: 'the stream broke' });
    this.#terminateSoon();
  }

  #violated(reason: string): void {
    this.#end(notAnswered('invalid', `the stream sent ${reason}`));
    this.socket.close(policyViolation, reason);
    this.#terminateSoon();
  }

  #end(answer: StreamAnswer): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#beat);
    for (const settle of [...this.#underWay.values()]) settle(answer);
    this.onEnd();
  }

  /** A client that goes on sending, or does not answer the close, is not waited for. */
  #terminateSoon(): void {
    const timer = setTimeout(() => this.socket.terminate(), this.settings.closeMs);
    this.socket.once('close', () => clearTimeout(timer));
  }
}

function notAnswered(outcome: CheckAnswer['outcome'], error: string): StreamAnswer {
  return { answer: { outcome, error } };
}

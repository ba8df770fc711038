import { Events } from '../../runtime/events.js';
import { silentLogger, type Logger } from '../../runtime/logger.js';
import type { Question } from './answerer.js';
import { CheckConnection } from './check-connection.js';
import { checkStreamDefaults, type CheckStreamEvents, type CheckStreamOptions } from './check-stream-options.js';
import { QuestionQueue } from './question-queue.js';

/** A connection that lasted so long was a good one: the next wait is the shortest again. */
const goodAfterMs = 1_000;
/** So many failures in a row, each endpoint at least once, are no short absence, as of a broker that restarts. */
const toldAfterFailures = 5;

/**
 * Lets the brokers ask this process how its transactions ended: a WebSocket that it holds open to one of them, so that it
 * needs no address of its own. When the connection is lost, or the broker stops, it connects to the next endpoint at once,
 * then after growing waits, until it is closed. A question that the answerer rejects, or answers too late, counts at the
 * broker as not answered and is asked again later.
 */
export class CheckStream {
  readonly events: Events<CheckStreamEvents>;
  readonly #options: CheckStreamOptions & typeof checkStreamDefaults;
  readonly #logger: Logger;
  readonly #questions: QuestionQueue;
  #connection: CheckConnection | undefined;
  #connectedTo: string | undefined;
  #connectedAt = 0;
  #lastTried: string | undefined;
  #failures = 0;
  #toldUnreachable = false;
  #timer: NodeJS.Timeout | undefined;
  #started = false;
  #closing: Promise<void> | undefined;

  constructor(options: CheckStreamOptions) {
    this.#options = { ...checkStreamDefaults, ...given(options) };
    this.#logger = options.logger ?? silentLogger;
    this.events = new Events((error) => this.#logger.error({ err: error }, 'a listener of a check stream failed'));
    this.#questions = new QuestionQueue(options.answerer, this.#options);
  }

  /** The broker that it is connected to; undefined while it is not. */
  get connectedTo(): string | undefined {
    return this.#connectedTo;
  }

  /** Begins to connect. Does nothing a second time, or after {@link close}. */
  start(): void {
    if (this.#started || this.#closing) return;
    this.#started = true;
    this.#connect();
  }

  /** Finishes the answers in hand (within `answerTimeoutMs`), takes no more questions, and disconnects. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#questions.idle();
    await this.#connection?.close();
  }

  #connect(): void {
    const url = this.#nextEndpoint();
    if (url === undefined) return this.#connectLater();
    try {
      this.#connectTo(url);
    } catch (error) {
      this.#logger.error({ err: error, url }, 'an endpoint is not a URL');
      this.#failures += 1;
      this.#connectLater();
    }
  }

  #connectTo(url: string): void {
    const { producer, instance, apiKey, connectTimeoutMs } = this.#options;
    this.#lastTried = url;
    let wasRefused = false;
    const connection: CheckConnection = new CheckConnection({
      url,
      producer,
      instance,
      apiKey,
      connectTimeoutMs,
      onOpen: () => this.#opened(url),
      onQuestion: (id, question) => void this.#answer(connection, id, question),
      onRefused: (error) => {
        wasRefused = true;
        this.#logger.warn({ err: error, url, producer }, 'a broker refused a check stream');
        this.events.emit('refused', { url, error });
      },
      onEnd: (code, reason) => {
        this.#ended(url, code, reason);
        if (!wasRefused) this.#tellUnreachable();
      },
    });
    this.#connection = connection;
  }

  #opened(url: string): void {
    this.#connectedTo = url;
    this.#connectedAt = performance.now();
    if (this.#toldUnreachable) this.#logger.info({ url }, 'a broker can be reached again');
    this.#toldUnreachable = false;
    this.events.emit('connected', { url });
  }

  #ended(url: string, code: number, reason: string): void {
    const wasConnected = this.#connectedTo !== undefined;
    this.#connection = undefined;
    this.#connectedTo = undefined;
    const wasGood = wasConnected && performance.now() - this.#connectedAt >= goodAfterMs;
    this.#failures = wasGood ? 0 : this.#failures + 1;
    if (wasConnected) this.events.emit('disconnected', { url, code, reason });
    else this.#logger.debug({ url, reason }, 'a broker could not be reached for a check stream');
    this.#connectLater();
  }

  /** Once, until a broker has been reached: an application with a wrong endpoint may not send for hours. */
  #tellUnreachable(): void {
    const { producer, endpoints } = this.#options;
    const urls = endpoints();
    if (this.#toldUnreachable || this.#failures < Math.max(toldAfterFailures, urls.length)) return;
    this.#toldUnreachable = true;
    this.#logger.warn({ endpoints: urls, producer }, 'no broker can be reached to be asked by: open transactions wait');
  }

  /** Shortly at first, so that not all clients of a stopped broker come at the same moment. */
  #connectLater(): void {
    if (this.#closing) return;
    const { reconnectMsMin, reconnectMsMax } = this.#options;
    const waitMs = Math.min(reconnectMsMax, reconnectMsMin * 2 ** Math.min(this.#failures, 30));
    const least = this.#failures === 0 ? 0 : waitMs / 2;
    this.#timer = setTimeout(() => this.#connect(), least + Math.random() * (waitMs - least));
  }

  /**
   * The one after the last, where there are several; any one at first, and when the last is gone, so that the clients of a
   * broker spread over the others.
   */
  #nextEndpoint(): string | undefined {
    const endpoints = this.#options.endpoints();
    const last = this.#lastTried === undefined ? -1 : endpoints.indexOf(this.#lastTried);
    if (last === -1) return endpoints[Math.floor(Math.random() * endpoints.length)];
    return endpoints[(last + 1) % endpoints.length];
  }

  async #answer(connection: CheckConnection, id: string, question: Question): Promise<void> {
    // Not answered while closing: the broker asks another instance when the connection ends.
    if (this.#closing) return;
    try {
      const resolution = await this.#questions.answer(question);
      connection.send({ type: 'answer', id, resolution });
    } catch (error) {
      const { transactionId } = question;
      this.#logger.warn({ err: error, transactionId }, 'a check-back was not answered');
      this.events.emit('unanswered', { transactionId, error });
      const words = error instanceof Error ? error.message : String(error);
      connection.send({ type: 'error', id, message: words.slice(0, 200) });
    }
  }
}

/** Without the options that are there but undefined, for which the default counts. */
function given<Options extends object>(options: Options): Options {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Options;
}

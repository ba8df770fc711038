import type { DataSource, EntityManager } from 'typeorm';
import { silentLogger, type Logger } from '../../runtime/logger.js';
import type { EndpointsCaller } from '../broker/endpoints-caller.js';
import type { Answer, Question } from '../check/answerer.js';
import { CheckStream } from '../check/check-stream.js';
import { Inbox, type InboxOptions } from '../local/inbox/inbox.js';
import type { Outbox } from '../local/outbox/outbox.js';
import type { Producer } from '../producer/producer.js';
import type { AnyTopics, TopicMap } from '../producer/topic-map.js';
import { ApplicationProducer } from './application-producer.js';
import type { ApplicationProducerOptions } from './application-producer-options.js';

/** A producer whose check-backs this process answers: from the `dataSource`, or by `checkBack`. */
export interface OpenOptions extends ApplicationProducerOptions {
  /**
   * The application's database, initialized: for `sendInTransaction` and `transaction`. Check-backs are answered from its
   * table `halfbox_fence`.
   */
  dataSource?: DataSource | undefined;
  /** Makes `outbox` on the `dataSource`, and forwards its messages through this producer. One producer of a database has one. */
  outbox?: ApplicationProducerOptions['outbox'];
  /** Makes `inbox` on the `dataSource`, and deletes its old rows. */
  inbox?: boolean | Omit<InboxOptions, 'logger'> | undefined;
  /**
   * In place of a `dataSource`, where the application's database is no SQL database: answers how a transaction ended. What
   * it throws counts as not answered, and it is asked again later. It must never answer `rollback` for a transaction that
   * may still be committed.
   */
  checkBack?: ((question: Question) => Answer | Promise<Answer>) | undefined;
  /** Default: nothing is logged. */
  logger?: Logger | undefined;
}

/**
 * What `Connection.open` opens: a producer, what else the options asked for, and the stream over which the brokers ask this
 * process, until `close`.
 */
export class OpenedProducer<Topics extends TopicMap = AnyTopics> {
  /** `sendInTransaction` and `transaction` need the `dataSource`. */
  readonly producer: Producer<Topics, EntityManager>;
  /** To which broker it is connected, and its events. */
  readonly checkStream: CheckStream;
  /** The database that its outbox is in. */
  readonly outboxIn: DataSource | undefined;
  readonly #parts: ApplicationProducer;
  #closing: Promise<void> | undefined;

  /**
   * @param onClosed called at the end of `close`
   * @throws TypeError for options that do not fit together; RangeError for one out of its bounds
   */
  constructor(
    caller: EndpointsCaller,
    options: OpenOptions,
    private readonly onClosed: () => void,
  ) {
    const { dataSource, checkBack, logger = silentLogger, ...others } = options;
    if (!dataSource && !checkBack) {
      throw new TypeError(
        `producer ${others.producer}: give the dataSource or checkBack that answers check-backs; one that sends no ` +
          `transactions is made by connection.producer('${others.producer}')`,
      );
    }
    if (dataSource?.isInitialized === false) {
      throw new TypeError(`producer ${others.producer}: its dataSource must be initialized first`);
    }
    this.#parts = new ApplicationProducer(others, { caller, dataSource: dataSource && (() => dataSource), logger });
    if (checkBack) this.#parts.answerBy({ answer: async (question) => checkBack(question) }, 'checkBack');
    const { name: producer, instance, answerer } = this.#parts;
    // Its caller knows no topics: their types are the application's word.
    this.producer = this.#parts.producer as unknown as Producer<Topics, EntityManager>;
    this.outboxIn = this.#parts.outbox && dataSource;
    const { apiKey } = caller;
    const endpoints = () => caller.endpoints;
    this.checkStream = new CheckStream({ endpoints, apiKey, producer, instance, answerer, logger });
  }

  get name(): string {
    return this.#parts.name;
  }

  /** Names this process to the brokers. */
  get instance(): string {
    return this.#parts.instance;
  }

  /** @throws TypeError where the option `outbox` was not given */
  get outbox(): Outbox<Topics> {
    const { outbox } = this.#parts;
    if (!outbox) throw new TypeError(`producer ${this.name} was opened without the option outbox`);
    return outbox.outbox as unknown as Outbox<Topics>;
  }

  /** @throws TypeError where the option `inbox` was not given */
  get inbox(): Inbox {
    const { inbox } = this.#parts;
    if (!(inbox instanceof Inbox)) throw new TypeError(`producer ${this.name} was opened without the option inbox`);
    return inbox;
  }

  /** Of `Connection.open`. After a failure everything is freed. */
  async start(): Promise<void> {
    try {
      this.#parts.open();
      await this.#parts.start();
      this.checkStream.start();
    } catch (error) {
      await this.close({ timeoutMs: 0 });
      throw error;
    }
  }

  /**
   * Takes nothing more, and finishes what is in hand within the time (10,000 ms where none is given): what was written into
   * the outbox, sends, local transactions. Meanwhile check-backs go on being answered. Then it frees everything but the
   * connection and the `dataSource`. A second call waits for the first one.
   */
  close({ timeoutMs = 10_000 }: { timeoutMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(timeoutMs);
    return this.#closing;
  }

  async #close(timeoutMs: number): Promise<void> {
    await this.#parts.finish(timeoutMs);
    await this.checkStream.close();
    await this.#parts.close();
    this.onClosed();
  }
}

import { setTimeout as delay } from 'node:timers/promises';
import type { Caller } from '../broker/caller.js';
import type { Message, MessagePlace, PreparedTransaction, ResolvedTransaction } from '../contract.js';
import { ProducerClosed } from '../errors.js';
import { groupPattern } from '../../message/names.js';
import { newId } from '../../message/message-id.js';
import { silentLogger, type Logger } from '../../runtime/logger.js';
import { dropReason, noDrops, type Drop, type DropCounts } from './dropped.js';
import type {
  FinishedTransaction,
  LocalTransactionOptions,
  LocalTransactions,
  MessageWork,
  Work,
} from './local-transactions.js';
import { MessageSender } from './message-sender.js';
import type { SendCounts } from './send-counts.js';
import { completeSendSettings, type SendOptions, type SendSettingOptions } from './send-settings.js';
import type { AnyTopics, TopicMap, TopicMessage } from './topic-map.js';
import { TransactionSender } from './transaction-sender.js';

/** What a producer may be given; the defaults are those of `SendSettings`. */
export interface ProducerSettings<Manager = unknown> extends SendSettingOptions {
  /** Names this process to the broker, 1..64 of `[A-Za-z0-9_.:-]`. Default: a new UUIDv7. */
  instance?: string | undefined;
  /** Runs `sendInTransaction` and `transaction`; without it they reject. */
  localTransactions?: LocalTransactions<Manager> | undefined;
  /** Makes the transaction calls, where somebody else needs the same ones. Closed with the producer. Default: its own. */
  transactions?: TransactionSender | undefined;
  /** Told of each one-way message that was dropped. What it throws is logged. */
  onDrop?: ((drop: Drop) => void) | undefined;
  /** Default: nothing is logged. */
  logger?: Logger | undefined;
}

export interface ProducerOptions<Manager = unknown> extends ProducerSettings<Manager> {
  /** 1..64 of `[A-Za-z0-9_-]`. */
  name: string;
  /** The way to the brokers. It stays open when the producer is closed. */
  caller: Caller;
}

/** What a producer has done since it was made. */
export interface ProducerMetrics {
  /** By message. */
  sends: SendCounts;
  /** By transaction call: prepares, commits, rollbacks. */
  transactions: SendCounts;
  dropped: DropCounts;
}

/**
 * Sends messages, alone and in transactions. Concurrent calls are gathered into few calls of the broker, and tried again
 * with the same ids when an answer is lost, so that nothing is stored twice. `Topics` names the topics and the types of
 * their bodies; `Manager` is what the work of a local transaction writes with.
 */
export class Producer<Topics extends TopicMap = AnyTopics, Manager = unknown> {
  readonly name: string;
  readonly instance: string;
  readonly #messages: MessageSender;
  readonly #transactions: TransactionSender;
  readonly #dropped = { ...noDrops };
  /** Local transactions that are being run. */
  readonly #inHand = new Set<Promise<unknown>>();
  #isClosed = false;

  /** @throws TypeError for a name that no producer can have; RangeError for an option beyond its bounds */
  constructor(private readonly options: ProducerOptions<Manager>) {
    if (typeof options.name !== 'string' || !groupPattern.test(options.name)) {
      throw new TypeError(`'${String(options.name)}' is no name of a producer: 1 to 64 letters, digits, _ and -`);
    }
    const settings = completeSendSettings(options);
    this.name = options.name;
    this.instance = options.instance ?? newId();
    this.#messages = new MessageSender(options.caller, settings);
    this.#transactions = options.transactions ?? new TransactionSender(options.caller, options);
  }

  /**
   * Sends one message, or 1..1000 all or none. Resolves when they are stored, and then they survive any crash; each gets an
   * id where it has none. Messages that one caller sends with the same ordering key keep their order, awaited or not.
   * Rejects with `BrokerRefused`; with `SendFailed` after the last try, which says whether they may be stored; with
   * `SendBufferFull` when there was no room for them in time; with `NotSerializable`; with `ProducerClosed`.
   */
  send(message: TopicMessage<Topics>, options?: SendOptions): Promise<MessagePlace>;
  send(messages: readonly TopicMessage<Topics>[], options?: SendOptions): Promise<MessagePlace[]>;
  async send(
    given: TopicMessage<Topics> | readonly TopicMessage<Topics>[],
    options: SendOptions = {},
  ): Promise<MessagePlace | MessagePlace[]> {
    this.#mustBeOpen();
    const messages = messagesOf(given);
    if (messages.length === 0) return [];
    const places = await new Promise<MessagePlace[]>((resolve, reject) => {
      this.#messages.send(messages, { resolve, reject }, options);
    });
    return Array.isArray(given) ? places : places[0]!;
  }

  /**
   * Sends a message and returns at once. It never throws: a message that cannot be sent, after retries as for `send`, is
   * dropped, counted in {@link dropped} and told to `onDrop`. It does not wait for room.
   */
  sendOneway(message: TopicMessage<Topics>, options: SendOptions = {}): void {
    const given = message as Message;
    const reject = (error: Error) => this.#drop(given, error);
    try {
      this.#mustBeOpen();
      this.#messages.send([given], { resolve: () => {}, reject }, { ...options, waits: false });
    } catch (error) {
      reject(error as Error);
    }
  }

  /** How many one-way messages were dropped, by reason. */
  get dropped(): DropCounts {
    return { ...this.#dropped };
  }

  /**
   * Stores the half messages of a transaction, 1..100, invisible until `commit`. Rejects like `send`. Whoever prepares by
   * hand must answer check-backs too; `sendInTransaction` does all of it.
   */
  async prepare(
    messages: TopicMessage<Topics> | readonly TopicMessage<Topics>[],
    options: SendOptions & Pick<LocalTransactionOptions, 'transactionId' | 'firstCheckAfterMs'> = {},
  ): Promise<PreparedTransaction> {
    this.#mustBeOpen();
    const { transactionId = newId(), firstCheckAfterMs, ...limits } = options;
    const { name, instance } = this;
    return this.#transactions.prepare(
      {
        id: transactionId,
        producer: name,
        instance,
        messages: messagesOf(messages),
        ...(firstCheckAfterMs !== undefined && { firstCheckAfterMs }),
      },
      limits,
    );
  }

  /** Makes the messages visible. Rejects like `send`; after `SendFailed` check-back finds out. `transaction-already-rolled-back`. */
  async commit(transactionId: string, options?: SendOptions): Promise<ResolvedTransaction> {
    this.#mustBeOpen();
    return this.#transactions.commit(transactionId, options);
  }

  /** Hides the messages for good. Rejects like `send`. `transaction-already-committed`. */
  async rollback(transactionId: string, options?: SendOptions): Promise<ResolvedTransaction> {
    this.#mustBeOpen();
    return this.#transactions.rollback(transactionId, options);
  }

  /** Prepares the messages, runs the work in a local transaction, and commits both (see {@link LocalTransactions}). */
  async sendInTransaction<Result>(
    messages: TopicMessage<Topics> | readonly TopicMessage<Topics>[],
    work: Work<Manager, Result>,
    options?: LocalTransactionOptions,
  ): Promise<FinishedTransaction<Result>> {
    return this.#run((local) => local.sendInTransaction<Result, Topics>(messages, work, options));
  }

  /** Runs the work in a local transaction and sends the messages that it adds when, and only when, it commits. */
  async transaction<Result>(
    work: MessageWork<Manager, Topics, Result>,
    options?: LocalTransactionOptions,
  ): Promise<FinishedTransaction<Result>> {
    return this.#run((local) => local.transaction<Result, Topics>(work, options));
  }

  metrics(): ProducerMetrics {
    return { sends: this.#messages.counts, transactions: this.#transactions.counts, dropped: this.dropped };
  }

  /**
   * Takes nothing more and waits until what it has taken is sent and its local transactions have ended, at most so long
   * (10,000 ms where none is given). What is left then fails with `SendFailed`.
   */
  async close({ timeoutMs = 10_000 }: { timeoutMs?: number } = {}): Promise<void> {
    this.#isClosed = true;
    const deadline = performance.now() + timeoutMs;
    const messagesSent = this.#messages.close(timeoutMs);
    const bound = new AbortController();
    const elapsed = delay(timeoutMs, undefined, { signal: bound.signal }).catch(() => undefined);
    await Promise.race([Promise.allSettled(this.#inHand), elapsed]);
    bound.abort();
    await Promise.all([messagesSent, this.#transactions.close(Math.max(0, deadline - performance.now()))]);
  }

  async #run<Result>(work: (local: LocalTransactions<Manager>) => Promise<Result>): Promise<Result> {
    this.#mustBeOpen();
    const { localTransactions } = this.options;
    if (!localTransactions) throw new Error(`producer ${this.name} was made without localTransactions`);
    const running = work(localTransactions);
    this.#inHand.add(running);
    try {
      return await running;
    } finally {
      this.#inHand.delete(running);
    }
  }

  #mustBeOpen(): void {
    if (this.#isClosed) throw new ProducerClosed(this.name);
  }

  #drop(message: Message, error: Error): void {
    const reason = dropReason(error);
    this.#dropped[reason] += 1;
    try {
      this.options.onDrop?.({ reason, message, error });
    } catch (thrown) {
      (this.options.logger ?? silentLogger).error({ err: thrown, producer: this.name }, 'onDrop threw');
    }
  }
}

function messagesOf(given: unknown): Message[] {
  return (Array.isArray(given) ? given : [given]) as Message[];
}

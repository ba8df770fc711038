import { setTimeout as delay } from 'node:timers/promises';
import type { DataSource, EntityManager } from 'typeorm';
import { newId } from '../../message/message-id.js';
import type { Logger } from '../../runtime/logger.js';
import type { Caller } from '../broker/caller.js';
import type { Answerer } from '../check/answerer.js';
import { ProducerClosed } from '../errors.js';
import { Fence } from '../local/fence.js';
import { Inbox } from '../local/inbox/inbox.js';
import { RedisInbox } from '../local/inbox/redis-inbox.js';
import { SqlLocalTransactions } from '../local/local-transactions.js';
import { requireTables, TablesMissing } from '../local/required-tables.js';
import type { LocalTransactions } from '../producer/local-transactions.js';
import { Producer } from '../producer/producer.js';
import type { AnyTopics } from '../producer/topic-map.js';
import { TransactionSender } from '../producer/transaction-sender.js';
import type { ApplicationProducerOptions } from './application-producer-options.js';
import { ForwardedOutbox } from './forwarded-outbox.js';

/** What an application producer works with. */
export interface ApplicationProducerParts {
  caller: Caller;
  /** Finds the application's database, when it is first used. Undefined where it has none. */
  dataSource: (() => DataSource) | undefined;
  logger: Logger;
}

/** Local transactions on a DataSource that is not known before the application has been built. */
function later(find: () => LocalTransactions<EntityManager>): LocalTransactions<EntityManager> {
  return {
    sendInTransaction: async (messages, work, options) => find().sendInTransaction(messages, work, options),
    transaction: async (work, options) => find().transaction(work, options),
  };
}

/**
 * One producer with all that belongs to it, as one instance: local transactions, outbox, inbox, and what answers its
 * check-backs. `open`, then `start`; at the end `finish`, and `close` once it is not asked any more.
 */
export class ApplicationProducer {
  readonly name: string;
  readonly instance: string;
  readonly producer: Producer<AnyTopics, EntityManager>;
  /** Answers the check-backs: the fence of its database, else its handler. Rejects where there is neither. */
  readonly answerer: Answerer = { answer: async (question) => this.#answering().answer(question) };
  readonly outbox: ForwardedOutbox | undefined;
  readonly inbox: Inbox | RedisInbox | undefined;
  readonly #transactions: TransactionSender;
  #handler: Answerer | undefined;
  #fence: Fence | undefined;
  #local: SqlLocalTransactions | undefined;
  #isFinishing = false;

  /** @throws TypeError for an outbox or inbox without a database; RangeError for an option out of its bounds */
  constructor(
    private readonly given: ApplicationProducerOptions,
    private readonly parts: ApplicationProducerParts,
  ) {
    const { producer: name, instance = newId(), outbox, inbox, ...settings } = given;
    const { caller, dataSource, logger } = parts;
    this.name = name;
    this.instance = instance;
    this.#transactions = new TransactionSender(caller, settings);
    this.producer = new Producer({
      ...settings,
      name,
      caller,
      instance,
      transactions: this.#transactions,
      localTransactions: dataSource && later(() => this.#openLocal(dataSource)),
      logger,
    });
    if (outbox) {
      this.outbox = new ForwardedOutbox(this.producer, outbox === true ? {} : outbox, this.#need('outbox'), logger);
    }
    if (typeof inbox === 'object' && 'redis' in inbox) this.inbox = new RedisInbox(inbox);
    else if (inbox) this.inbox = new Inbox(this.#need('inbox'), { ...(inbox === true ? {} : inbox), logger });
  }

  /** Whether somebody can say how its transactions ended. */
  get canAnswer(): boolean {
    return this.parts.dataSource !== undefined || this.#handler !== undefined;
  }

  /** Lets a handler answer. @throws TypeError, which names its place, where the database does so already */
  answerBy(handler: Answerer, place: string): void {
    if (this.parts.dataSource) {
      throw new TypeError(`${place}: check-backs of producer ${this.name} are answered from its dataSource already`);
    }
    this.#handler = handler;
  }

  /** Finds its database. Throws where it cannot be used. */
  open(): void {
    if (this.parts.dataSource) this.#openLocal(this.parts.dataSource);
    this.#fence?.start();
  }

  /**
   * Begins what works on its tables. A database that is away now is told to the log only.
   * @throws TablesMissing; ProducerClosed when it is closed meanwhile
   */
  async start(): Promise<void> {
    const { dataSource, logger } = this.parts;
    if (!dataSource) return;
    const tables = ['halfbox_fence'];
    if (this.outbox) tables.push('halfbox_outbox', 'halfbox_lease');
    if (this.inbox instanceof Inbox) tables.push('halfbox_inbox');
    try {
      await requireTables(dataSource(), tables);
    } catch (error) {
      if (error instanceof TablesMissing) throw error;
      logger.warn({ err: error }, `producer ${this.name} could not look for its tables: its database is away`);
    }
    if (this.#isFinishing) throw new ProducerClosed(this.name);
    this.outbox?.start();
    if (this.inbox instanceof Inbox) this.inbox.start();
  }

  /** What is sent or run now, in words. */
  pending(): string[] {
    const { sends, transactions } = this.producer.metrics();
    const inHand = this.#fence?.inHand.size ?? 0;
    const texts: string[] = [];
    if (sends.waitingItems > 0) texts.push(`producer ${this.name} sends ${sends.waitingItems} messages`);
    if (transactions.waitingItems > 0) texts.push(`producer ${this.name} makes ${transactions.waitingItems} calls`);
    if (inHand > 0) texts.push(`producer ${this.name} has ${inHand} local transactions in hand`);
    if (this.outbox?.isBehind) texts.push(`the outbox of producer ${this.name} has messages to send`);
    return texts;
  }

  /** Finishes what is in hand, within the time: what is in the outbox first, while the producer can still send it. */
  async finish(timeoutMs: number): Promise<void> {
    this.#isFinishing = true;
    const deadline = performance.now() + timeoutMs;
    const forwarded = this.outbox?.stop(timeoutMs);
    if (forwarded) await Promise.race([forwarded, delay(timeoutMs, undefined, { ref: false })]);
    await this.producer.close({ timeoutMs: Math.max(0, deadline - performance.now()) });
    // A send that was still on its way has ended with the producer.
    await forwarded;
    if (this.inbox instanceof Inbox) await this.inbox.stop();
  }

  /** Frees its connections to the database. */
  async close(): Promise<void> {
    await this.#fence?.stop();
  }

  #need(part: string): () => DataSource {
    if (this.parts.dataSource) return this.parts.dataSource;
    throw new TypeError(`producer ${this.name}: an ${part} needs a dataSource, the application's database`);
  }

  #answering(): Answerer {
    if (this.parts.dataSource) this.#openLocal(this.parts.dataSource);
    const answerer = this.#fence ?? this.#handler;
    if (!answerer) throw new Error(`producer ${this.name} has neither a dataSource nor a handler of check-backs`);
    return answerer;
  }

  #openLocal(dataSource: () => DataSource): SqlLocalTransactions {
    if (this.#local) return this.#local;
    const { localTransactionMsMax, fenceRetentionMs } = this.given;
    const { name: producer, instance } = this;
    const { logger } = this.parts;
    this.#fence = new Fence(dataSource(), { instance, localTransactionMsMax, fenceRetentionMs, logger });
    this.#local = new SqlLocalTransactions(this.#fence, this.#transactions, { producer, logger });
    return this.#local;
  }
}

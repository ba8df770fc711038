import { setTimeout as delay } from 'node:timers/promises';
import type { DataSource, EntityManager } from 'typeorm';
import {
  Fence,
  Inbox,
  Producer,
  RedisInbox,
  requireTables,
  SqlLocalTransactions,
  TablesMissing,
  TransactionSender,
  type AnyTopics,
  type Answerer,
  type Caller,
  type LocalTransactions,
} from '../../client/index.js';
import { newId } from '../../message/message-id.js';
import type { Logger } from '../../runtime/logger.js';
import type { HalfboxProducerOptions } from './client-options.js';
import { WiredOutbox } from './wired-outbox.js';

/** Local transactions on a DataSource that is not known before the application has been built. */
function later(find: () => LocalTransactions<EntityManager>): LocalTransactions<EntityManager> {
  return {
    sendInTransaction: async (messages, work, options) => find().sendInTransaction(messages, work, options),
    transaction: async (work, options) => find().transaction(work, options),
  };
}

/** One producer with all that belongs to it: local transactions, outbox, inbox, and what answers its check-backs. */
export class WiredProducer {
  readonly producer: Producer<AnyTopics, EntityManager>;
  readonly instance: string;
  /** Answers the check-backs: the fence of its database, else its `@CheckBack()` handler. Rejects where there is neither. */
  readonly answerer: Answerer = { answer: async (question) => this.#answering().answer(question) };
  readonly outbox: WiredOutbox | undefined;
  readonly inbox: Inbox | RedisInbox | undefined;
  #handler: Answerer | undefined;
  #fence: Fence | undefined;
  #local: SqlLocalTransactions | undefined;
  readonly #transactions: TransactionSender;

  /** @param findDataSource looks up what `dataSource` names; throws where there is none */
  constructor(
    readonly options: HalfboxProducerOptions,
    caller: Caller,
    private readonly findDataSource: (named: NonNullable<HalfboxProducerOptions['dataSource']>) => DataSource,
    private readonly logger: Logger,
  ) {
    const { producer: name, dataSource, instance = newId(), checkBackUrl, checkBackPattern, ...others } = options;
    const { outbox, inbox, ...rest } = others;
    if (checkBackUrl !== undefined && checkBackPattern !== undefined) {
      throw new TypeError(`producer ${name}: give checkBackUrl or checkBackPattern`);
    }
    this.instance = instance;
    this.#transactions = new TransactionSender(caller, rest);
    this.producer = new Producer({
      ...rest,
      name,
      caller,
      instance,
      transactions: this.#transactions,
      localTransactions: dataSource === undefined ? undefined : later(() => this.#openLocal()),
      logger,
    });
    const find = () => this.findDataSource(dataSource!);
    if (outbox) {
      this.#needDataSource('outbox');
      this.outbox = new WiredOutbox(this.producer, outbox === true ? {} : outbox, find, logger);
    }
    if (typeof inbox === 'object' && 'redis' in inbox) this.inbox = new RedisInbox(inbox);
    else if (inbox) {
      this.#needDataSource('inbox');
      this.inbox = new Inbox(find, { ...(inbox === true ? {} : inbox), logger });
    }
  }

  get name(): string {
    return this.options.producer;
  }

  /** Whether somebody can say how its transactions ended. */
  get canAnswer(): boolean {
    return this.options.dataSource !== undefined || this.#handler !== undefined;
  }

  /** Lets a `@CheckBack()` method answer. @throws TypeError where the database does so already */
  answerBy(handler: Answerer, place: string): void {
    if (this.options.dataSource !== undefined) {
      throw new TypeError(`${place}: check-backs of producer ${this.name} are answered from its dataSource already`);
    }
    this.#handler = handler;
  }

  /** Finds its database. Throws where it cannot be used. */
  open(): void {
    if (this.options.dataSource !== undefined) this.#openLocal();
    this.#fence?.start();
  }

  /** Begins what works on its tables. @throws TablesMissing */
  async start(): Promise<void> {
    if (this.options.dataSource === undefined) return;
    const tables = ['halfbox_fence'];
    if (this.outbox) tables.push('halfbox_outbox', 'halfbox_lease');
    if (this.inbox instanceof Inbox) tables.push('halfbox_inbox');
    try {
      await requireTables(this.findDataSource(this.options.dataSource), tables);
    } catch (error) {
      if (error instanceof TablesMissing) throw error;
      this.logger.warn({ err: error }, `producer ${this.name} could not look for its tables: its database is away`);
    }
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

  #needDataSource(part: string): void {
    if (this.options.dataSource !== undefined) return;
    throw new TypeError(`producer ${this.name}: an ${part} needs a dataSource, the application's database`);
  }

  #answering(): Answerer {
    if (this.options.dataSource !== undefined) this.#openLocal();
    const answerer = this.#fence ?? this.#handler;
    if (!answerer) throw new Error(`producer ${this.name} has neither a dataSource nor a @CheckBack() handler`);
    return answerer;
  }

  #openLocal(): SqlLocalTransactions {
    if (this.#local) return this.#local;
    const { dataSource, localTransactionMsMax, fenceRetentionMs } = this.options;
    const database = this.findDataSource(dataSource!);
    const { instance, logger } = this;
    this.#fence = new Fence(database, { instance, localTransactionMsMax, fenceRetentionMs, logger });
    this.#local = new SqlLocalTransactions(this.#fence, this.#transactions, { producer: this.name, logger });
    return this.#local;
  }
}

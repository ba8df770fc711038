import type { EntityManager } from 'typeorm';
import { bounds } from '../../message/bounds.js';
import { newId } from '../../message/message-id.js';
import { silentLogger, type Logger } from '../../runtime/logger.js';
import type { Message } from '../contract.js';
import type {
  FinishedTransaction,
  LocalTransactionOptions,
  LocalTransactions,
  MessageWork,
  Work,
} from '../producer/local-transactions.js';
import type { AnyTopics, TopicMap, TopicMessage } from '../producer/topic-map.js';
import type { TransactionCalls } from '../producer/transaction-calls.js';
import type { Fence } from './fence.js';
import { LocalTransaction, type TransactionParts } from './local-transaction.js';

export interface SqlLocalTransactionsOptions {
  /** Name of the producer that the transactions belong to. */
  producer: string;
  /**
   * How long a local COMMIT or ROLLBACK may take to be answered, before its connection is thrown away. Default 10,000.
   */
  endTimeoutMs?: number | undefined;
  logger?: Logger | undefined;
}

/**
 * Local transactions in the application's own SQL database, through TypeORM, whose messages are delivered when, and only when,
 * they commit. Check-backs are answered by the same {@link Fence}.
 *
 * The work writes with the manager that it is given, on the one connection that its transaction takes, and awaits all that it
 * does; it must neither end
 * the transaction itself nor, on MySQL, change the schema in it, which commits. Local transactions on one SQLite DataSource
 * run one after the other, and what else uses the DataSource waits while one is open.
 *
 * Both methods reject with
 * - what the work threw, after the local ROLLBACK: nothing is delivered;
 * - `SendFailed` or `BrokerRefused` when the messages could not be prepared: nothing is committed or delivered;
 * - `LocalTransactionTimeout` after the limit: rolled back;
 * - `TransactionFenced`, `TransactionRepeated`, `LocalTransactionLost`, `WorkUnfinished`, `NestedLocalTransaction`, `SendBufferFull`:
 *   nothing was done;
 * - `OutcomeUnknown` when the answer to the local COMMIT is lost: check-back reads from the fence what happened, and the messages
 *   follow it;
 * - `BrokerRefused` when the local transaction has committed but an operator rolled the messages back meanwhile.
 *
 * Once the local COMMIT is answered the messages are delivered for certain: where the broker does not answer the commit,
 * `committed` is undefined and check-back commits them.
 */
export class SqlLocalTransactions implements LocalTransactions<EntityManager> {
  readonly #parts: TransactionParts;

  /** @param fence of the same database; its limit bounds every transaction */
  constructor(
    private readonly fence: Fence,
    calls: TransactionCalls,
    { producer, endTimeoutMs = 10_000, logger = silentLogger }: SqlLocalTransactionsOptions,
  ) {
    this.#parts = { producer, fence, calls, endMsMax: endTimeoutMs, logger };
  }

  async sendInTransaction<Result, Topics extends TopicMap = AnyTopics>(
    messages: TopicMessage<Topics> | readonly TopicMessage<Topics>[],
    work: Work<EntityManager, Result>,
    options: LocalTransactionOptions = {},
  ): Promise<FinishedTransaction<Result>> {
    const transaction = this.#take(options);
    try {
      await transaction.prepare((Array.isArray(messages) ? messages : [messages]) as Message[], options);
      const result = await transaction.runLocally(work, options, async () => true);
      return { transactionId: transaction.id, result, committed: await transaction.makeVisible() };
    } finally {
      transaction.end();
    }
  }

  async transaction<Result, Topics extends TopicMap = AnyTopics>(
    work: MessageWork<EntityManager, Topics, Result>,
    options: LocalTransactionOptions = {},
  ): Promise<FinishedTransaction<Result>> {
    const transaction = this.#take(options);
    const added = new AddedMessages();
    const { id } = transaction;
    try {
      const result = await transaction.runLocally(
        async (manager) => {
          const send = (message: TopicMessage<Topics>) => added.add(message as Message);
          return work({ id, manager, send }).finally(() => added.close());
        },
        options,
        async () => {
          if (added.messages.length > 0) await transaction.prepare(added.messages, options);
          return added.messages.length > 0;
        },
      );
      const committed = added.messages.length > 0 ? await transaction.makeVisible() : undefined;
      return { transactionId: id, result, committed };
    } finally {
      transaction.end();
    }
  }

  /** Rejects what is wrong with the call before anything is done. */
  #take({ transactionId, timeoutMs }: LocalTransactionOptions): LocalTransaction {
    const { localTransactionMsMax } = this.fence;
    const limitMs = timeoutMs ?? localTransactionMsMax;
    if (!(limitMs >= 1 && limitMs <= localTransactionMsMax)) {
      throw new RangeError(`timeoutMs: ${limitMs} is not within 1..${localTransactionMsMax}`);
    }
    return new LocalTransaction(this.#parts, transactionId ?? newId(), transactionId !== undefined, limitMs);
  }
}

/** What the work of `transaction` wants to send. */
class AddedMessages {
  readonly messages: (Message & { id: string })[] = [];
  #isClosed = false;

  add(message: Message): { id: string; topic: string } {
    if (this.#isClosed) throw new Error('the work has ended: a message can no longer be added to its transaction');
    if (this.messages.length === bounds.transactionMessagesMax) {
      throw new RangeError(`more than ${bounds.transactionMessagesMax} messages in a transaction`);
    }
    const added = { ...message, id: message.id ?? newId() };
    this.messages.push(added);
    return { id: added.id, topic: added.topic };
  }

  close(): void {
    this.#isClosed = true;
  }
}

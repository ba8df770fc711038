import type { DataSource, EntityManager } from 'typeorm';
import { bounds } from '../../../message/bounds.js';
import { reached } from '../../../message/step.js';
import { Events } from '../../../runtime/events.js';
import type { Message, MessagePlace } from '../../contract.js';
import type { AnyTopics, TopicMap, TopicMessage } from '../../producer/topic-map.js';
import { databaseNow, dialectOf, inDialect, tableName } from '../dialect.js';
import { onceFound } from '../once-found.js';
import { CommitListener } from './commit-listener.js';
import { InvalidMessage, NotInTransaction } from './outbox-errors.js';
import { outboxRow, type OutboxRow } from './outbox-row.js';
import { OutboxRows, rowsMax, type FailedMessage, type OutboxCounts } from './outbox-rows.js';

export interface OutboxOptions {
  /** Of a message's body. Default 4 MiB, the default of a topic; a topic may allow less or more. */
  bodyBytesMax?: number | undefined;
  /**
   * Whether `add` refuses a manager that TypeORM knows no open transaction of. Default true. False is for transactions that
   * were begun by a statement; an `add` outside of any transaction is then committed by itself.
   */
  requireTransaction?: boolean | undefined;
}

/** Bounds of one INSERT, far below what servers take. */
const insertRowsMax = 200;
const insertBytesMax = 1024 * 1024;

/**
 * Messages written into the table `halfbox_outbox` by an application's own transaction, so that they are sent when, and only
 * when, it commits. An {@link OutboxForwarder} sends them, at least once and with the same id; the broker stores an id once.
 * `Topics` names the topics and the types of their bodies.
 */
export class Outbox<Topics extends TopicMap = AnyTopics> {
  readonly #rows: () => OutboxRows;
  readonly #commits = new CommitListener();
  readonly #events = new Events<{ committed: undefined }>();
  readonly #bodyBytesMax: number;
  readonly #requireTransaction: boolean;

  /**
   * @param dataSource or what finds it, which is called at the first use
   * @throws TypeError for a database that Halfbox has no tables for
   */
  constructor(
    dataSource: DataSource | (() => DataSource),
    { bodyBytesMax = 4 * 1024 * 1024, requireTransaction = true }: OutboxOptions = {},
  ) {
    this.#rows = onceFound(dataSource, (found) => new OutboxRows(found));
    this.#bodyBytesMax = bodyBytesMax;
    this.#requireTransaction = requireTransaction;
  }

  /**
   * Writes one message, or up to 1,000, in the manager's transaction; answers their ids, new UUIDv7 where none were given.
   * When it resolves they share the transaction's fate. An id that was sent before with the same content is not stored twice,
   * with other content the broker refuses it (`failed`). `delayMs` counts from when the broker has stored the message.
   *
   * Order: messages of one ordering key are stored at the broker in the order in which they were written, as far as they
   * are committed when they are read. Transactions that write to one key at the same time have no order among
   * themselves; one that takes turns with the others (by locking the row that the key stands for, before it writes) has. On a
   * cluster that takes writes on several nodes (Galera) let one node take them, since each numbers its rows by itself.
   *
   * @throws InvalidMessage, NotSerializable for what no broker would take; NotInTransaction. Nothing is written then.
   */
  add(manager: EntityManager, message: TopicMessage<Topics>): Promise<Pick<MessagePlace, 'id' | 'topic'>>;
  add(manager: EntityManager, messages: readonly TopicMessage<Topics>[]): Promise<Pick<MessagePlace, 'id' | 'topic'>[]>;
  async add(
    manager: EntityManager,
    given: TopicMessage<Topics> | readonly TopicMessage<Topics>[],
  ): Promise<Pick<MessagePlace, 'id' | 'topic'> | Pick<MessagePlace, 'id' | 'topic'>[]> {
    const messages = (Array.isArray(given) ? given : [given]) as Message[];
    if (messages.length > bounds.sendMessagesMax) {
      throw new InvalidMessage('array', `has ${messages.length} messages, more than ${bounds.sendMessagesMax}`);
    }
    const runner = manager.queryRunner;
    if (this.#requireTransaction && runner?.isTransactionActive !== true) throw new NotInTransaction();
    const rows = messages.map((message) => outboxRow(message, this.#bodyBytesMax));
    for (const part of parts(rows)) await insert(manager, part);
    reached('client.outbox.written');
    if (runner?.isTransactionActive) {
      this.#commits.once(manager.dataSource, runner, () => this.#events.emit('committed', undefined));
    }
    const places = rows.map(({ id, topic }) => ({ id, topic }));
    return Array.isArray(given) ? places : places[0]!;
  }

  /** Calls `listener` when there is more to send: after each commit with messages, and each retry. Answers how to stop that. */
  onCommitted(listener: () => void): () => void {
    return this.#events.on('committed', listener);
  }

  /**
   * Messages that could not be sent: refused by the broker (kept until they are retried or discarded), or waiting for another
   * try. In the order in which they were written; at most `limit` (1..500, default 50) after the `seq` of the last one read.
   */
  failed({ after = 0, limit = bounds.listLimitDefault }: { after?: number; limit?: number } = {}): Promise<
    FailedMessage[]
  > {
    if (!Number.isInteger(limit) || limit < 1 || limit > bounds.listLimitMax) {
      throw new RangeError(`limit is ${limit}: expected a whole number from 1 to ${bounds.listLimitMax}`);
    }
    return this.#rows().failed(after, limit);
  }

  /** Failed messages, all or those with these ids (up to 1,000), are sent again; answers how many. */
  async retry(ids?: readonly string[]): Promise<number> {
    const count = await this.#eachFailed(ids, (seqs) => this.#rows().takeBack(seqs));
    if (count > 0) this.#events.emit('committed', undefined);
    return count;
  }

  /** Deletes failed messages, which are then never sent: those with these ids (up to 1,000). Answers how many. */
  discard(ids: readonly string[]): Promise<number> {
    return this.#eachFailed(ids, (seqs) => this.#rows().remove(seqs, 'failed'));
  }

  counts(): Promise<OutboxCounts> {
    return this.#rows().counts();
  }

  async #eachFailed(
    ids: readonly string[] | undefined,
    act: (seqs: readonly number[]) => Promise<number>,
  ): Promise<number> {
    if (ids !== undefined && ids.length > rowsMax) throw new RangeError(`more than ${rowsMax} ids`);
    if (ids?.length === 0) return 0;
    let count = 0;
    for (let after = 0; ;) {
      const seqs = await this.#rows().failedSeqs(after, ids);
      if (seqs.length > 0) count += await act(seqs);
      if (seqs.length < rowsMax) return count;
      after = seqs.at(-1)!;
    }
  }
}

/** Rows in groups that one statement takes, in their order. */
function* parts(rows: readonly OutboxRow[]): Generator<OutboxRow[]> {
  let part: OutboxRow[] = [];
  let bytes = 0;
  for (const row of rows) {
    if (part.length === insertRowsMax || (part.length > 0 && bytes + row.message.length > insertBytesMax)) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(row);
    bytes += row.message.length;
  }
  if (part.length > 0) yield part;
}

async function insert(manager: EntityManager, rows: readonly OutboxRow[]): Promise<void> {
  const dialect = dialectOf(manager.dataSource);
  const values = rows.map(() => `(?, 'waiting', ?, ?, ?, ${databaseNow[dialect]}, 0)`).join(', ');
  await manager.query(
    inDialect(
      dialect,
      `INSERT INTO ${tableName(manager.dataSource, 'halfbox_outbox')} ` +
        `(id, state, order_hash, bytes, message, created_at, attempts) VALUES ${values}`,
    ),
    rows.flatMap(({ id, orderHash, message }) => [id, orderHash ?? null, message.length, message]),
  );
}

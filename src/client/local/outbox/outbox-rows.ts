import type { DataSource } from 'typeorm';
import type { Message } from '../../contract.js';
import { databaseNow, tableName, type Dialect } from '../dialect.js';
import { OwnStatements, placesFor } from '../own-statements.js';
import { UnreadableMessage } from './outbox-errors.js';

/** A row that waits to be sent, without its message. */
export interface WaitingRow {
  /** The order of the rows as they were written. */
  seq: number;
  id: string;
  orderHash: string | undefined;
  bytes: number;
  attempts: number;
}

/** A message that could not be sent. */
export interface FailedMessage {
  /** Where it lies in the outbox: pass the last one as `after` to read on. */
  seq: number;
  id: string;
  /** Undefined where the row holds none that can be read: somebody else has written it. */
  message: Message | undefined;
  /** What the broker, or the way to it, said last. */
  error: string;
  /** Tries that failed. */
  attempts: number;
  /** The last one (epoch ms, by the forwarder's clock). */
  failedAt: number;
  /** When it is tried again by itself; undefined: never, since the broker refused it. */
  retryAt: number | undefined;
}

/** How much is in the outbox. */
export interface OutboxCounts {
  waiting: number;
  failed: number;
  /** Age of the oldest message that waits, by the database's clock; 0 without one. */
  oldestWaitingMs: number;
}

/** Rows that one statement names. */
export const rowsMax = 1_000;

/**
 * `halfbox_outbox` as forwarders see it. Rows are changed by their number only: a change never waits for rows that an
 * application's open transaction has written.
 */
export class OutboxRows {
  readonly #statements: OwnStatements;
  readonly #dialect: Dialect;
  readonly #table: string;

  constructor(dataSource: DataSource, statements = new OwnStatements(dataSource)) {
    this.#statements = statements;
    this.#dialect = statements.dialect;
    this.#table = tableName(dataSource, 'halfbox_outbox');
  }

  /**
   * The first rows that wait, in their order, all committed at one moment. A row may become visible after others with higher
   * numbers, hence no cursor: what is not sent is always read again.
   * @param failedBlocksKey leaves out rows that come after a failed one of the same ordering key
   */
  async waiting(max: number, failedBlocksKey: boolean): Promise<WaitingRow[]> {
    const blocked = `SELECT order_hash, MIN(seq) AS first_seq FROM ${this.#table} WHERE state = 'failed' GROUP BY order_hash`;
    const join = failedBlocksKey
      ? `LEFT JOIN (${blocked}) f ON f.order_hash = o.order_hash AND f.first_seq < o.seq`
      : '';
    const { rows } = await this.#statements.run(
      `SELECT o.seq, o.id, o.order_hash, o.bytes, o.attempts FROM ${this.#table} o ${join} ` +
        `WHERE o.state = 'waiting' ${failedBlocksKey ? 'AND f.first_seq IS NULL' : ''} ORDER BY o.seq LIMIT ${max}`,
      [],
      true,
    );
    return rows.map((row) => ({
      seq: Number(row['seq']),
      id: String(row['id']),
      orderHash: row['order_hash'] === null ? undefined : String(row['order_hash']),
      bytes: Number(row['bytes']),
      attempts: Number(row['attempts']),
    }));
  }

  /** The messages of rows, an error for those that hold none; rows that are gone are missing. */
  async messages(seqs: readonly number[]): Promise<Map<number, Message | UnreadableMessage>> {
    const { rows } = await this.#statements.run(
      `SELECT seq, message FROM ${this.#table} WHERE seq IN (${placesFor(seqs)})`,
      seqs,
    );
    return new Map(rows.map((row) => [Number(row['seq']), messageOf(row['message'])]));
  }

  /** Takes rows out, those that are failed or all; answers how many were there. */
  async remove(seqs: readonly number[], which: 'all' | 'failed'): Promise<number> {
    if (seqs.length === 0) return 0;
    const where = `seq IN (${placesFor(seqs)}) ${which === 'failed' ? `AND state = 'failed'` : ''}`;
    const { affectedRows } = await this.#statements.run(
      this.#dialect === 'mysql'
        ? `DELETE o FROM ${this.#table} o FORCE INDEX (PRIMARY) WHERE ${where}`
        : `DELETE FROM ${this.#table} WHERE ${where}`,
      seqs,
    );
    return affectedRows;
  }

  /** Sets a row that waits aside. */
  async fail(seq: number, error: string, now: number, retryAt: number | undefined): Promise<void> {
    await this.#statements.run(
      `UPDATE ${this.#table} SET state = 'failed', attempts = attempts + 1, error = ?, failed_at = ?, retry_at = ? ` +
        `WHERE seq = ? AND state = 'waiting'`,
      [error, now, retryAt ?? null, seq],
    );
  }

  /** Failed rows whose time has come wait again. */
  async takeBackDue(now: number): Promise<void> {
    const { rows } = await this.#statements.run(
      `SELECT seq FROM ${this.#table} WHERE state = 'failed' AND retry_at <= ? ORDER BY seq LIMIT ${rowsMax}`,
      [now],
    );
    await this.takeBack(rows.map((row) => Number(row['seq'])));
  }

  /** Failed rows wait again; answers how many. */
  async takeBack(seqs: readonly number[]): Promise<number> {
    if (seqs.length === 0) return 0;
    const hint = this.#dialect === 'mysql' ? 'FORCE INDEX (PRIMARY)' : '';
    const { affectedRows } = await this.#statements.run(
      `UPDATE ${this.#table} ${hint} SET state = 'waiting', retry_at = NULL ` +
        `WHERE seq IN (${placesFor(seqs)}) AND state = 'failed'`,
      seqs,
    );
    return affectedRows;
  }

  async failed(after: number, max: number): Promise<FailedMessage[]> {
    const { rows } = await this.#statements.run(
      `SELECT seq, id, message, error, attempts, failed_at, retry_at FROM ${this.#table} ` +
        `WHERE state = 'failed' AND seq > ? ORDER BY seq LIMIT ${max}`,
      [after],
    );
    return rows.map((row) => ({
      seq: Number(row['seq']),
      id: String(row['id']),
      message: readable(messageOf(row['message'])),
      error: String(row['error']),
      attempts: Number(row['attempts']),
      failedAt: Number(row['failed_at']),
      retryAt: row['retry_at'] === null ? undefined : Number(row['retry_at']),
    }));
  }

  /** Numbers of failed rows after a number, of these ids or all, in their order. */
  async failedSeqs(after: number, ids: readonly string[] | undefined): Promise<number[]> {
    const named = ids ? `AND id IN (${placesFor(ids)})` : '';
    const { rows } = await this.#statements.run(
      `SELECT seq FROM ${this.#table} WHERE state = 'failed' AND seq > ? ${named} ORDER BY seq LIMIT ${rowsMax}`,
      [after, ...(ids ?? [])],
    );
    return rows.map((row) => Number(row['seq']));
  }

  async counts(): Promise<OutboxCounts> {
    const { rows } = await this.#statements.run(
      `SELECT state, COUNT(*) AS held, ${databaseNow[this.#dialect]} - MIN(created_at) AS age ` +
        `FROM ${this.#table} GROUP BY state`,
    );
    const of = (state: string) => rows.find((row) => row['state'] === state);
    return {
      waiting: Number(of('waiting')?.['held'] ?? 0),
      failed: Number(of('failed')?.['held'] ?? 0),
      oldestWaitingMs: Math.max(0, Number(of('waiting')?.['age'] ?? 0)),
    };
  }
}

/** Drivers give bytes as a Buffer, libsql as an ArrayBuffer. */
function messageOf(bytes: unknown): Message | UnreadableMessage {
  try {
    const message: unknown = JSON.parse(Buffer.from(bytes as Buffer).toString());
    if (typeof message === 'object' && message !== null && 'id' in message) return message as Message;
    return new UnreadableMessage('no object with an id');
  } catch (error) {
    return new UnreadableMessage((error as Error).message);
  }
}

function readable(message: Message | UnreadableMessage): Message | undefined {
  return message instanceof UnreadableMessage ? undefined : message;
}

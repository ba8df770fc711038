import type { DataSource, QueryRunner } from 'typeorm';
import { isDuplicateKey } from '../database-errors.js';
import { databaseNow, dialectOf, inDialect, tableName, type Dialect } from '../dialect.js';
import { OwnStatements } from '../own-statements.js';

/** `halfbox_inbox`, as a local transaction and as the purge see it. */
export class InboxRows {
  readonly #dialect: Dialect;
  readonly #table: string;
  readonly #statements: OwnStatements;

  constructor(dataSource: DataSource) {
    this.#dialect = dialectOf(dataSource);
    this.#table = tableName(dataSource, 'halfbox_inbox');
    this.#statements = new OwnStatements(dataSource);
  }

  /**
   * Writes the row in the runner's transaction; false where there is one. Waits up to `lockWaitMs` for the end of another
   * transaction that has written it, and then rejects with the database's error.
   */
  async insert(runner: QueryRunner, group: string, key: string, lockWaitMs: number): Promise<boolean> {
    if (this.#dialect === 'mysql') return this.#insertInMysql(runner, group, key, lockWaitMs);
    if (this.#dialect === 'sqlite') return this.#insertUnlessThere(runner, group, key);
    const [row] = (await runner.query(
      `SELECT current_setting('lock_timeout') AS own, set_config('lock_timeout', $1, true)`,
      [`${lockWaitMs}ms`],
    )) as { own: string }[];
    const isFirst = await this.#insertUnlessThere(runner, group, key);
    await runner.query(`SELECT set_config('lock_timeout', $1, true)`, [row!.own]);
    return isFirst;
  }

  /** Whether the transaction that wrote the row is still the runner's, and can commit. Rejects where it is aborted. */
  async isThere(runner: QueryRunner, group: string, key: string): Promise<boolean> {
    const sql = `SELECT 1 AS held FROM ${this.#table} WHERE consumer_group = ? AND done_key = ?`;
    const rows = (await runner.query(inDialect(this.#dialect, sql), [group, key])) as unknown[];
    return rows.length > 0;
  }

  /** Deletes up to `max` rows that are older than `keptMs`, by the database's clock; answers how many. */
  async purge(keptMs: number, max: number): Promise<number> {
    const isOld = `created_at < ${databaseNow[this.#dialect]} - ${keptMs}`;
    const { rows } = await this.#statements.run(
      `SELECT consumer_group, done_key FROM ${this.#table} WHERE ${isOld} ORDER BY created_at LIMIT ${max}`,
    );
    if (rows.length === 0) return 0;
    // In one order everywhere, so that instances that purge at once wait for each other instead of deadlocking.
    const keys = rows.map((row) => [String(row['consumer_group']), String(row['done_key'])] as const);
    keys.sort((a, b) => (a.join('/') < b.join('/') ? -1 : 1));
    const { affectedRows } = await this.#statements.run(
      `DELETE FROM ${this.#table} WHERE (consumer_group, done_key) IN (${keys.map(() => '(?, ?)').join(', ')}) AND ${isOld}`,
      keys.flat(),
    );
    return affectedRows;
  }

  #insertSql(): string {
    return (
      `INSERT INTO ${this.#table} (consumer_group, done_key, created_at) ` +
      `VALUES (?, ?, ${databaseNow[this.#dialect]})`
    );
  }

  /** A violated key would abort PostgreSQL's transaction. */
  async #insertUnlessThere(runner: QueryRunner, group: string, key: string): Promise<boolean> {
    const sql = inDialect(this.#dialect, `${this.#insertSql()} ON CONFLICT DO NOTHING`);
    const { affected } = await runner.query(sql, [group, key], true);
    return affected === 1;
  }

  /** A plain INSERT: with IGNORE or ON DUPLICATE KEY UPDATE the count of rows says nothing that can be relied on. */
  async #insertInMysql(runner: QueryRunner, group: string, key: string, lockWaitMs: number): Promise<boolean> {
    const seconds = Math.max(1, Math.round(lockWaitMs / 1_000));
    await runner.query(
      `SET @halfbox_lock_wait = @@SESSION.innodb_lock_wait_timeout, SESSION innodb_lock_wait_timeout = ${seconds}`,
    );
    try {
      await runner.query(this.#insertSql(), [group, key]);
      return true;
    } catch (error) {
      if (isDuplicateKey(this.#dialect, error)) return false;
      throw error;
    } finally {
      await runner.query('SET SESSION innodb_lock_wait_timeout = @halfbox_lock_wait');
    }
  }
}

import type { DataSource } from 'typeorm';
import { isDuplicateKey } from '../database-errors.js';
import { databaseNow, tableName } from '../dialect.js';
import { OwnStatements } from '../own-statements.js';

export interface LeaseOptions {
  /** 1..32 characters. */
  job: string;
  /** This instance: 1..64 characters. */
  holder: string;
  leaseMs: number;
}

/**
 * Lets one instance at a time do a job: a row of `halfbox_lease` with an end, by the database's clock. Whoever dies is
 * followed by another one after `leaseMs`. It saves work, and nothing more: a holder that was held up may believe for a moment
 * that it still holds the lease, so the job itself must stand two at once.
 */
export class Lease {
  readonly #statements: OwnStatements;
  readonly #table: string;
  readonly #now: string;
  /** By this process's own clock, reckoned from before it was asked for, so that it never ends later than in the database. */
  #heldUntil = -Infinity;

  constructor(
    dataSource: DataSource,
    private readonly options: LeaseOptions,
    statements = new OwnStatements(dataSource),
  ) {
    this.#statements = statements;
    this.#table = tableName(dataSource, 'halfbox_lease');
    this.#now = databaseNow[statements.dialect];
  }

  get isHeld(): boolean {
    return performance.now() < this.#heldUntil;
  }

  /** Whether it is held for at least a third of its length from now; takes or renews it where needed. */
  async ensure(): Promise<boolean> {
    if (performance.now() + this.options.leaseMs / 3 < this.#heldUntil) return true;
    return this.take();
  }

  /** Takes or renews it; whether it went well. While another instance has it this only reads. */
  async take(): Promise<boolean> {
    const { job, holder, leaseMs } = this.options;
    const asked = performance.now();
    const { rows } = await this.#statements.run(
      `SELECT holder, expires_at - ${this.#now} AS remaining FROM ${this.#table} WHERE job = ?`,
      [job],
    );
    const [row] = rows;
    let isTaken = false;
    if (row === undefined) isTaken = await this.#insert();
    else if (row['holder'] === holder || Number(row['remaining']) <= 0) isTaken = await this.#update();
    this.#heldUntil = isTaken ? asked + leaseMs : -Infinity;
    return isTaken;
  }

  /** Ends it, so that another instance need not wait for its end. Does nothing when another one has it. */
  async release(): Promise<void> {
    if (this.#heldUntil === -Infinity) return;
    this.#heldUntil = -Infinity;
    const { job, holder } = this.options;
    await this.#statements.run(`UPDATE ${this.#table} SET expires_at = 0 WHERE job = ? AND holder = ?`, [job, holder]);
  }

  async #insert(): Promise<boolean> {
    const { job, holder, leaseMs } = this.options;
    try {
      await this.#statements.run(
        `INSERT INTO ${this.#table} (job, holder, expires_at) VALUES (?, ?, ${this.#now} + ${leaseMs})`,
        [job, holder],
      );
      return true;
    } catch (error) {
      if (isDuplicateKey(this.#statements.dialect, error)) return false;
      throw error;
    }
  }

  async #update(): Promise<boolean> {
    const { job, holder, leaseMs } = this.options;
    const { affectedRows } = await this.#statements.run(
      `UPDATE ${this.#table} SET holder = ?, expires_at = ${this.#now} + ${leaseMs} ` +
        `WHERE job = ? AND (holder = ? OR expires_at <= ${this.#now})`,
      [holder, job, holder],
    );
    return affectedRows === 1;
  }
}

import Database from 'libsql';
import { createConnection } from 'mysql2/promise';

/** Rows as the driver gives them. */
export type Row = Record<string, unknown>;

/** Reads a database by plain SQL, on a connection of its own. */
export interface SqlReader {
  rows(sql: string): Promise<Row[]>;
  /** All that is read within it is of one moment. */
  atOnce<Result>(read: () => Promise<Result>): Promise<Result>;
  close(): Promise<void>;
}

/** @param address `sqlite:path`, a path, or a `mysql:` URL */
export async function openReader(address: string): Promise<SqlReader> {
  if (address.startsWith('mysql:') || address.startsWith('mariadb:')) {
    const connection = await createConnection({ uri: address.replace(/^mariadb:/, 'mysql:'), connectTimeout: 10_000 });
    return {
      rows: async (sql) => (await connection.query(sql))[0] as Row[],
      atOnce: async (read) => {
        await connection.query('START TRANSACTION WITH CONSISTENT SNAPSHOT');
        return read().finally(() => connection.query('ROLLBACK'));
      },
      close: () => connection.end(),
    };
  }
  const database = new Database(address.replace(/^sqlite:/, ''), { timeout: 5_000 });
  database.exec('PRAGMA query_only = ON');
  return {
    rows: async (sql) => database.prepare(sql).all() as Row[],
    atOnce: async (read) => {
      database.exec('BEGIN');
      return read().finally(() => database.exec('ROLLBACK'));
    },
    close: async () => void database.close(),
  };
}

export function text(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value instanceof ArrayBuffer) return Buffer.from(value).toString('utf8');
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8');
  throw new TypeError(`no text: ${typeof value}`);
}

export function optionalText(value: unknown): string | undefined {
  return value === null || value === undefined ? undefined : text(value);
}

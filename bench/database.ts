import { readFile } from 'node:fs/promises';
import { createConnection } from 'mysql2/promise';

let made = 0;

/** Runs one statement on a connection of its own. */
export async function runSql<Row>(mysqlUrl: string, sql: string, params: unknown[] = []): Promise<Row[]> {
  const connection = await createConnection(mysqlUrl);
  try {
    const [rows] = await connection.query(sql, params);
    return rows as Row[];
  } finally {
    await connection.end();
  }
}

/** A database of its own for one run; `drop` removes it. */
export async function freshDatabase(mysqlUrl: string): Promise<{ url: string; drop(): Promise<void> }> {
  const name = `halfbox_bench_${process.pid}_${Date.now().toString(36)}_${(made += 1)}`;
  await runSql(mysqlUrl, `CREATE DATABASE ${name}`);
  const url = new URL(mysqlUrl);
  url.pathname = `/${name}`;
  return { url: url.href, drop: async () => void (await runSql(mysqlUrl, `DROP DATABASE ${name}`)) };
}

export interface DatabaseCounters {
  statements: number;
  commits: number;
  redoBytes: number;
}

/** The server's own counters, since its start. */
export async function databaseCounters(mysqlUrl: string): Promise<DatabaseCounters> {
  const rows = await runSql<{ Variable_name: string; Value: string }>(
    mysqlUrl,
    `SHOW GLOBAL STATUS WHERE Variable_name IN ('Questions', 'Com_commit', 'Innodb_os_log_written')`,
  );
  const values = new Map(rows.map((row) => [row.Variable_name, Number(row.Value)]));
  return {
    statements: values.get('Questions')!,
    commits: values.get('Com_commit')!,
    redoBytes: values.get('Innodb_os_log_written')!,
  };
}

/** The server's process, where it runs on this machine. */
export async function databasePid(mysqlUrl: string): Promise<number | undefined> {
  const [row] = await runSql<{ path: string }>(mysqlUrl, 'SELECT @@pid_file AS path');
  return readFile(row!.path, 'utf8').then(Number, () => undefined);
}

export async function databaseVersion(mysqlUrl: string): Promise<string> {
  const [row] = await runSql<{ version: string }>(mysqlUrl, 'SELECT VERSION() AS version');
  return row!.version;
}

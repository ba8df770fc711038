import { createConnection } from 'mysql2/promise';

let made = 0;

/** A database of its own for one run; `drop` removes it. */
export async function freshDatabase(mysqlUrl: string): Promise<{ url: string; drop(): Promise<void> }> {
  const name = `halfbox_bench_${process.pid}_${Date.now().toString(36)}_${(made += 1)}`;
  const run = async (sql: string) => {
    const connection = await createConnection(mysqlUrl);
    await connection.query(sql);
    await connection.end();
  };
  await run(`CREATE DATABASE ${name}`);
  const url = new URL(mysqlUrl);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => run(`DROP DATABASE ${name}`) };
}

export interface DatabaseCounters {
  statements: number;
  commits: number;
  redoBytes: number;
  pid: number | undefined;
}

/** The server's own counters, and its process where it runs on this machine. */
export async function databaseCounters(mysqlUrl: string): Promise<DatabaseCounters> {
  const connection = await createConnection(mysqlUrl);
  const [rows] = await connection.query(
    `SHOW GLOBAL STATUS WHERE Variable_name IN ('Questions', 'Com_commit', 'Innodb_os_log_written')`,
  );
  const [[pidFile]] = (await connection.query(`SELECT @@pid_file AS path`)) as unknown as [[{ path: string }]];
  await connection.end();
  const values = new Map(
    (rows as { Variable_name: string; Value: string }[]).map((row) => [row.Variable_name, Number(row.Value)]),
  );
  const { readFile } = await import('node:fs/promises');
  const pid = await readFile(pidFile!.path, 'utf8').then(Number, () => undefined);
  return {
    statements: values.get('Questions')!,
    commits: values.get('Com_commit')!,
    redoBytes: values.get('Innodb_os_log_written')!,
    pid,
  };
}

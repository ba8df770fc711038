import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';

export type StoreName = 'sqlite' | 'mariadb';

/** Addresses of three empty databases: the store's, and those of two applications. */
export async function databasesOf(
  store: StoreName,
  serverUrl: string,
  folder: string,
  schema: string,
): Promise<[store: string, shop: string, sink: string]> {
  if (store === 'sqlite')
    return [`sqlite:${join(folder, 'halfbox.db')}`, join(folder, 'shop.db'), join(folder, 'sink.db')];
  const urls = ['', '_shop', '_sink'].map((suffix) => {
    const url = new URL(serverUrl);
    url.pathname = `/${schema}${suffix}`;
    return url.href;
  });
  await onServer(serverUrl, [`CREATE DATABASE ${schema}_shop`, `CREATE DATABASE ${schema}_sink`]);
  return urls as [string, string, string];
}

/** Runs statements over a connection of their own. */
export async function onServer(url: string, statements: string[]): Promise<void> {
  const connection = await createConnection({ uri: url, connectTimeout: 10_000 });
  try {
    for (const statement of statements) await connection.query(statement);
  } finally {
    await connection.end();
  }
}

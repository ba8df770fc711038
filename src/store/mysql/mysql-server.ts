import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import { StoreStartError } from '../store-start-error.js';
import type { MysqlAddress } from './mysql-address.js';
import { errorCode } from './mysql-errors.js';

/** What is known of a server before its pool is opened. */
export interface MysqlServer {
  /** Decides TypeORM's type: with the wrong one, it would generate wrong migrations. */
  kind: 'mysql' | 'mariadb';
  /** `MariaDB 10.11.19 at 127.0.0.1:3306/halfbox` */
  description: string;
  /** `max_allowed_packet` in bytes. */
  packetBytesMax: number;
  /** There was no such database; there is an empty one now. */
  created: boolean;
}

const unknownDatabase = 1049;

/** A plain connection that is in no pool, for what is done once at start. */
export function connectPlainly(address: MysqlAddress, connectTimeoutMs: number): Promise<Connection> {
  return createConnection({
    host: address.host,
    port: address.port,
    user: address.user,
    password: address.password,
    database: address.database,
    connectTimeout: connectTimeoutMs,
    charset: 'utf8mb4',
    ...(address.ssl && { ssl: address.ssl }),
  });
}

/**
 * Finds out what answers at the address; creates the database where it is missing and the user may.
 * @throws StoreStartError when it cannot be reached or used
 */
export async function detectServer(address: MysqlAddress, connectTimeoutMs: number): Promise<MysqlServer> {
  const { connection, created } = await connectOrCreate(address, connectTimeoutMs);
  try {
    const [rows] = await connection.query<RowDataPacket[]>(
      'SELECT VERSION() AS version, @@max_allowed_packet AS packet_bytes_max',
    );
    const version = String(rows[0]?.['version']);
    const kind = /mariadb/i.test(version) ? 'mariadb' : 'mysql';
    const number = /(\d+\.\d+\.\d+)(?!.*\d+\.\d+\.\d+)/.exec(version)?.[1] ?? version;
    const name = kind === 'mariadb' ? 'MariaDB' : 'MySQL';
    return {
      kind,
      description: `${name} ${number} at ${address.host}:${address.port}/${address.database}`,
      packetBytesMax: Number(rows[0]?.['packet_bytes_max']),
      created,
    };
  } finally {
    await connection.end();
  }
}

async function connectOrCreate(
  address: MysqlAddress,
  connectTimeoutMs: number,
): Promise<{ connection: Connection; created: boolean }> {
  try {
    return { connection: await connectPlainly(address, connectTimeoutMs), created: false };
  } catch (error) {
    if ((error as { errno?: number }).errno !== unknownDatabase) throw cannotConnect(address, error);
  }
  try {
    const connection = await connectPlainly({ ...address, database: '' }, connectTimeoutMs);
    try {
      await connection.query(`CREATE DATABASE IF NOT EXISTS \`${address.database}\` CHARACTER SET utf8mb4`);
    } finally {
      await connection.end();
    }
    return { connection: await connectPlainly(address, connectTimeoutMs), created: true };
  } catch (error) {
    throw new StoreStartError(
      `the database ${address.database} does not exist at ${address.host}:${address.port} and cannot be created (${errorCode(error)}): create it and grant ${address.user} all privileges on it`,
      { cause: error },
    );
  }
}

function cannotConnect(address: MysqlAddress, error: unknown): StoreStartError {
  return new StoreStartError(
    `HALFBOX_STORE_URL: cannot connect to ${address.host}:${address.port}/${address.database} as ${address.user} (${errorCode(error)})`,
    { cause: error },
  );
}

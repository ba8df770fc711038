import { readFileSync } from 'node:fs';
import { StoreStartError } from '../store-start-error.js';

/** Where a MySQL or MariaDB database is, and who asks. */
export interface MysqlAddress {
  host: string;
  port: number;
  user: string;
  password: string;
  database: string;
  /** Set: TLS with the server's certificate verified, against these authorities or the system's. */
  ssl?: { ca?: string; minVersion: 'TLSv1.2' };
}

const databaseDefault = 'halfbox';
const portDefault = 3306;

/**
 * Reads `mysql://user:password@host:3306/database?ssl=true&sslCa=/path/ca.pem`. The port is 3306 and the database
 * `halfbox` where none is given.
 * @throws StoreStartError for a parameter that does not exist; the message leaves the credentials out
 */
export function parseMysqlUrl(text: string): MysqlAddress {
  if (!URL.canParse(text))
    throw new StoreStartError('HALFBOX_STORE_URL is not a URL: mysql://user:password@host:3306/database');
  const url = new URL(text);
  const address: MysqlAddress = {
    host: url.hostname.replace(/^\[|\]$/g, '') || '127.0.0.1',
    port: url.port === '' ? portDefault : Number(url.port),
    user: decodeURIComponent(url.username) || 'root',
    password: decodeURIComponent(url.password),
    database: decodeURIComponent(url.pathname.replace(/^\//, '')) || databaseDefault,
  };
  if (!/^[A-Za-z0-9_$-]{1,64}$/.test(address.database)) {
    throw new StoreStartError(
      `HALFBOX_STORE_URL: ${address.database} is not a database name that halfbox accepts ([A-Za-z0-9_$-], up to 64)`,
    );
  }
  return withTls(address, url.searchParams);
}

function withTls(address: MysqlAddress, parameters: URLSearchParams): MysqlAddress {
  for (const name of parameters.keys()) {
    if (name !== 'ssl' && name !== 'sslCa') {
      throw new StoreStartError(`HALFBOX_STORE_URL: unknown parameter ${name}; there are ssl and sslCa`);
    }
  }
  const ssl = parameters.get('ssl');
  const sslCa = parameters.get('sslCa');
  if (ssl !== null && ssl !== 'true' && ssl !== 'false') {
    throw new StoreStartError(`HALFBOX_STORE_URL: ssl is true or false, not ${ssl}`);
  }
  if (ssl === 'false' || (ssl === null && sslCa === null)) return address;
  return {
    ...address,
    ssl: { minVersion: 'TLSv1.2', ...(sslCa !== null && { ca: readFileSync(sslCa, 'utf8') }) },
  };
}

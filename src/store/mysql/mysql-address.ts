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
    user: decoded(url.username) || 'root',
    password: decoded(url.password),
    database: decoded(url.pathname.replace(/^\//, '')) || databaseDefault,
  };
  if (!/^[A-Za-z0-9_$-]{1,64}$/.test(address.database)) {
    // The name is not repeated: a password with a slash that is not escaped ends up in it.
    throw new StoreStartError(
      'HALFBOX_STORE_URL: what follows the host is not a database name that halfbox accepts ([A-Za-z0-9_$-], up to 64); ' +
        'a / in a password is written %2F',
    );
  }
  return withTls(address, url.searchParams);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new StoreStartError(
      'HALFBOX_STORE_URL: a % in it is not followed by two digits; in a password it is written %25',
    );
  }
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

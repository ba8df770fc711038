import { qualified, type Dialect } from './dialect.js';

/** Column types, by dialect. Ids and names are compared byte by byte, so that `A`, `a` and `á` differ on every server. */
export interface ColumnTypes {
  /** Printable ASCII. */
  name(length: number): string;
  text: string;
  blob: string;
  int: string;
  big: string;
  /** A number that the database gives to each new row, higher than those before, and never again. It is the primary key. */
  serial: string;
}

const columnTypes: Readonly<Record<Dialect, ColumnTypes>> = {
  mysql: {
    name: (length) => `VARCHAR(${length}) CHARACTER SET ascii COLLATE ascii_bin`,
    text: 'MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin',
    blob: 'LONGBLOB',
    int: 'INT',
    big: 'BIGINT',
    serial: 'BIGINT NOT NULL AUTO_INCREMENT',
  },
  postgres: {
    name: (length) => `VARCHAR(${length}) COLLATE "C"`,
    text: 'TEXT',
    blob: 'BYTEA',
    int: 'INTEGER',
    big: 'BIGINT',
    serial: 'BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY',
  },
  sqlite: {
    name: () => 'TEXT',
    text: 'TEXT',
    blob: 'BLOB',
    int: 'INTEGER',
    big: 'INTEGER',
    serial: 'INTEGER PRIMARY KEY AUTOINCREMENT',
  },
};

/** A table that Halfbox needs in an application's database. */
export interface ClientTable {
  name: string;
  /** Its columns, as `name type constraints`. */
  columns(types: ColumnTypes): string[];
  primaryKey: readonly string[];
  /** The primary key is one column of type `serial`. */
  isNumbered?: boolean;
  /** Secondary indexes: columns by the index's name. */
  indexes: Readonly<Record<string, readonly string[]>>;
}

/** One row for each local transaction that committed (`committed`), or that was answered as rolled back (`rolled_back`). */
const fenceTable: ClientTable = {
  name: 'halfbox_fence',
  columns: (t) => [
    `transaction_id ${t.name(64)} NOT NULL`,
    `outcome ${t.name(11)} NOT NULL`,
    // By the database's clock, in milliseconds since the Unix epoch.
    `created_at ${t.big} NOT NULL`,
  ],
  primaryKey: ['transaction_id'],
  indexes: { halfbox_fence_created_at: ['created_at'] },
};

/** One row for each message that an application's transaction has written and a forwarder has not sent yet. */
const outboxTable: ClientTable = {
  name: 'halfbox_outbox',
  columns: (t) => [
    `seq ${t.serial}`,
    `id ${t.name(64)} NOT NULL`,
    // `waiting`, or `failed`: refused, or to be tried again at `retry_at`.
    `state ${t.name(7)} NOT NULL`,
    // A hash of topic and ordering key; null without an ordering key.
    `order_hash ${t.name(11)}`,
    `bytes ${t.int} NOT NULL`,
    // The message as the broker gets it: JSON in UTF-8, as bytes, so that no connection's character set can change it.
    `message ${t.blob} NOT NULL`,
    `created_at ${t.big} NOT NULL`,
    `attempts ${t.int} NOT NULL`,
    `failed_at ${t.big}`,
    `retry_at ${t.big}`,
    `error ${t.text}`,
  ],
  primaryKey: ['seq'],
  isNumbered: true,
  indexes: { halfbox_outbox_state: ['state', 'seq'] },
};

/** Who does a job that one instance of an application does at a time. */
const leaseTable: ClientTable = {
  name: 'halfbox_lease',
  columns: (t) => [`job ${t.name(32)} NOT NULL`, `holder ${t.name(64)} NOT NULL`, `expires_at ${t.big} NOT NULL`],
  primaryKey: ['job'],
  indexes: {},
};

/** One row for each message, or business key, that a consumer group has done. */
const inboxTable: ClientTable = {
  name: 'halfbox_inbox',
  columns: (t) => [
    `consumer_group ${t.name(64)} NOT NULL`,
    `done_key ${t.name(200)} NOT NULL`,
    `created_at ${t.big} NOT NULL`,
  ],
  primaryKey: ['consumer_group', 'done_key'],
  indexes: { halfbox_inbox_created_at: ['created_at'] },
};

/** Every table, in the order in which they are made. */
export const clientTables: readonly ClientTable[] = [fenceTable, outboxTable, leaseTable, inboxTable];

/**
 * The statements that make the tables; those that are there stay as they are.
 * @param schema of PostgreSQL; undefined: the first of the connection's search path
 */
export function createStatements(dialect: Dialect, schema?: string): string[] {
  return clientTables.flatMap((table) => createTable(table, dialect, schema));
}

/** The statements that remove the tables with all that is in them. */
export function dropStatements(schema?: string): string[] {
  return clientTables.map(({ name }) => `DROP TABLE IF EXISTS ${qualified(name, schema)}`);
}

function createTable(table: ClientTable, dialect: Dialect, schema?: string): string[] {
  const name = qualified(table.name, schema);
  const indexes = Object.entries(table.indexes);
  const inline = dialect === 'mysql' ? indexes.map(([index, columns]) => `KEY ${index} (${columns.join(', ')})`) : [];
  // A number of SQLite's own is the key of its table by itself.
  const isRowid = dialect === 'sqlite' && table.isNumbered === true;
  const key = isRowid ? [] : [`PRIMARY KEY (${table.primaryKey.join(', ')})`];
  const lines = [...table.columns(columnTypes[dialect]), ...key, ...inline].map((line) => `  ${line}`);
  const suffix = { mysql: ' ENGINE=InnoDB', postgres: '', sqlite: isRowid ? '' : ' WITHOUT ROWID' }[dialect];
  const create = `CREATE TABLE IF NOT EXISTS ${name} (\n${lines.join(',\n')}\n)${suffix}`;
  if (dialect === 'mysql') return [create];
  return [
    create,
    ...indexes.map(([index, columns]) => `CREATE INDEX IF NOT EXISTS ${index} ON ${name} (${columns.join(', ')})`),
  ];
}

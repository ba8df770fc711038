import { qualified, type Dialect } from './dialect.js';

/** Column types, by dialect. Ids and names are compared byte by byte, so that `A`, `a` and `á` differ on every server. */
export interface ColumnTypes {
  /** Printable ASCII. */
  name(length: number): string;
  text: string;
  blob: string;
  int: string;
  big: string;
}

const columnTypes: Readonly<Record<Dialect, ColumnTypes>> = {
  mysql: {
    name: (length) => `VARCHAR(${length}) CHARACTER SET ascii COLLATE ascii_bin`,
    text: 'MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin',
    blob: 'LONGBLOB',
    int: 'INT',
    big: 'BIGINT',
  },
  postgres: {
    name: (length) => `VARCHAR(${length}) COLLATE "C"`,
    text: 'TEXT',
    blob: 'BYTEA',
    int: 'INTEGER',
    big: 'BIGINT',
  },
  sqlite: { name: () => 'TEXT', text: 'TEXT', blob: 'BLOB', int: 'INTEGER', big: 'INTEGER' },
};

/** A table that Halfbox needs in an application's database. */
export interface ClientTable {
  name: string;
  /** Its columns, as `name type constraints`. */
  columns(types: ColumnTypes): string[];
  primaryKey: readonly string[];
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

/** Every table, in the order in which they are made. */
export const clientTables: readonly ClientTable[] = [fenceTable];

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
  const lines = [...table.columns(columnTypes[dialect]), `PRIMARY KEY (${table.primaryKey.join(', ')})`, ...inline].map(
    (line) => `  ${line}`,
  );
  const suffix = { mysql: ' ENGINE=InnoDB', postgres: '', sqlite: ' WITHOUT ROWID' }[dialect];
  const create = `CREATE TABLE IF NOT EXISTS ${name} (\n${lines.join(',\n')}\n)${suffix}`;
  if (dialect === 'mysql') return [create];
  return [
    create,
    ...indexes.map(([index, columns]) => `CREATE INDEX IF NOT EXISTS ${index} ON ${name} (${columns.join(', ')})`),
  ];
}

import libsql from 'libsql';

/** Sent to a broker that was started with this preload: whether its SQLite file may grow. */
export interface FullMessage {
  id: number;
  storeFull: boolean;
}

export interface FullAnswer {
  answerTo: number;
  /** Writes that failed with SQLITE_FULL since the start. */
  refused: number;
}

interface Statement {
  run(...params: unknown[]): unknown;
  get(): unknown;
}

interface Connection {
  prepare(sql: string): Statement;
}

/** More pages than any file has: SQLite's own default. */
const unlimited = 1_073_741_823;
const connections = libsql.prototype as unknown as Connection;
const prepare = connections.prepare;
/** Prepares a statement on the connection that writes. */
let onWriter: ((sql: string) => Statement) | undefined;
let refused = 0;

/** Remembers the connection that writes, and counts what it is refused. */
connections.prepare = function (this: Connection, sql: string): Statement {
  const statement = prepare.call(this, sql);
  if (!/^\s*(INSERT|UPDATE|DELETE)\b/i.test(sql)) return statement;
  onWriter = (other) => prepare.call(this, other);
  const run = statement.run.bind(statement);
  statement.run = (...params) => {
    try {
      return run(...params);
    } catch (error) {
      if ((error as { code?: string }).code === 'SQLITE_FULL') refused += 1;
      throw error;
    }
  };
  return statement;
};

process.on('message', (message: FullMessage | object) => {
  if (!('storeFull' in message)) return;
  if (!onWriter) throw new Error('this broker has written nothing to SQLite');
  // A bound below the size of the file is taken as that size.
  onWriter(`PRAGMA max_page_count = ${message.storeFull ? 1 : unlimited}`).get();
  process.send?.({ answerTo: message.id, refused } satisfies FullAnswer);
});
process.channel?.unref();

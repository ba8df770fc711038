import { Problem } from '../../message/problem.js';

/** Codes (and their longer forms) after which the file cannot be written now: locked, full, read-only, failing or gone. */
const unavailablePattern = /^SQLITE_(BUSY|LOCKED|FULL|READONLY|IOERR|CANTOPEN|CORRUPT|NOTADB|NOMEM|PROTOCOL)(_|$)/;

export function sqliteErrorCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}

export function isSqliteDuplicate(error: unknown): boolean {
  const code = sqliteErrorCode(error);
  return code === 'SQLITE_CONSTRAINT_PRIMARYKEY' || code === 'SQLITE_CONSTRAINT_UNIQUE';
}

/** `Problem('unavailable')` for an error of the file; any other error as it is. */
export function sqliteProblem(error: unknown): unknown {
  const code = sqliteErrorCode(error);
  if (error instanceof Problem || code === undefined || !unavailablePattern.test(code)) return error;
  return new Problem('unavailable', `the SQLite file cannot be used: ${code}`, { retryAfterMs: 1_000, cause: error });
}

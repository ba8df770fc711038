import { listPlaceholders, type SqlResult, type SqlRow, type SqlValue, type Statement } from './database.js';

/** Values of one IN list at most. */
const listMax = 1_000;

/** Statements whose text ends in an IN list of `values`, however many there are: long lists are split. */
export function inLists(values: SqlValue[], sql: (list: string) => string): Statement[] {
  const statements: Statement[] = [];
  for (let start = 0; start < values.length; start += listMax) {
    const params = values.slice(start, start + listMax);
    statements.push({ sql: sql(`(${listPlaceholders(params.length)})`), params });
  }
  return statements;
}

/** Rows of a SELECT as {@link inLists} cuts it. */
export async function readInLists(
  run: (...statements: Statement[]) => Promise<SqlResult[]>,
  values: SqlValue[],
  sql: (list: string) => string,
): Promise<SqlRow[]> {
  if (values.length === 0) return [];
  return (await run(...inLists(values, sql))).flatMap(({ rows }) => rows);
}

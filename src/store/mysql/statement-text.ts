import type { SqlValue, Statement } from '../sql/database.js';

const escaped = /['\\]/g;

/**
 * The text of a statement with its parameters in it. mysql2's own formatting looks at every character of the statement
 * (for comments, strings, objects); the store's statements have `?` for parameters only, so their text is cut there.
 * Sessions have neither ANSI_QUOTES nor NO_BACKSLASH_ESCAPES, and their character set is utf8mb4, so that within single
 * quotes only the quote and the backslash mean something.
 */
export function statementText({ sql, params, rows }: Statement): string {
  if (params === undefined) return sql;
  if (rows) return sql + rowsText(params, params.length / rows.count) + rows.end;
  const parts = sql.split('?');
  if (parts.length !== params.length + 1) {
    throw new Error(`a statement has ${parts.length - 1} placeholders and ${params.length} parameters`);
  }
  let text = parts[0]!;
  for (let index = 0; index < params.length; index += 1) text += literal(params[index]) + parts[index + 1]!;
  return text;
}

function rowsText(values: readonly SqlValue[], columns: number): string {
  let text = '';
  for (let index = 0; index < values.length; index += 1) {
    text += index % columns > 0 ? ',' : index > 0 ? '),(' : '(';
    text += literal(values[index]);
  }
  return `${text})`;
}

function literal(value: SqlValue): string {
  if (typeof value === 'string') {
    const plain = !value.includes("'") && !value.includes('\\');
    return plain ? `'${value}'` : `'${value.replace(escaped, '\\$&')}'`;
  }
  if (value === null || value === undefined) return 'NULL';
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'number') return `x'${value.toString('hex')}'`;
  if (!Number.isFinite(value)) throw new Error(`${value} is no number for a statement`);
  return String(value);
}

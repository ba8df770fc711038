import { runSql } from './database.js';
import type { Rig } from './rig.js';

export interface RowSource {
  /** Answers one row. */
  sql: string;
  params: unknown[];
}

/** What a value looks like, whatever it says: null, a number, or text with the lengths of its long words. */
function shapeOf(value: unknown): string {
  if (value === null || typeof value === 'number') return value === null ? 'null' : 'number';
  const text = Buffer.isBuffer(value) ? value.toString('utf8') : String(value as string);
  // Ids and padding have a length; small numbers and names of topics may differ in theirs.
  return text.replace(/[A-Za-z0-9]+/g, (word) => (word.length > 8 ? `<${word.length}>` : 'w'));
}

/** Throws, and says which columns, when a row of the one source does not look like one of the other. */
export async function requireSameRows(rig: Rig, written: RowSource, filled: RowSource): Promise<void> {
  const read = async ({ sql, params }: RowSource): Promise<Record<string, unknown>> => {
    const [row] = await runSql<Record<string, unknown>>(rig.storeUrl, sql, params);
    if (!row) throw new Error(`there is no row to compare: ${sql} ${JSON.stringify(params)}`);
    return row;
  };
  const ofBroker = await read(written);
  const ofFill = await read(filled);
  const different = Object.keys(ofBroker).filter((column) => shapeOf(ofBroker[column]) !== shapeOf(ofFill[column]));
  if (different.length === 0) return;
  const told = different.map((name) => `${name}: ${shapeOf(ofBroker[name])} and ${shapeOf(ofFill[name])}`);
  throw new Error(`what the benchmark fills in is not what the broker writes: ${told.join('; ')}`);
}

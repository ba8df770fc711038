import type { GivenRange, LaneCursor, OffsetRanges } from '../lane-store.js';
import { textOf, type SqlRow } from './database.js';

/** The columns that {@link laneCursorOf} reads. */
export const laneColumns = 'shard, settled_offset, settled_above, given';

export function laneCursorOf(row: SqlRow): LaneCursor {
  return {
    shard: Number(row['shard']),
    settledOffset: Number(row['settled_offset']),
    settledAbove: JSON.parse(textOf(row['settled_above'])) as OffsetRanges,
    given: unpackGiven(textOf(row['given'])),
  };
}

/** Given ranges as JSON text: `[[from, to, dueAt], …]`. */
export function packGiven(given: GivenRange[]): string {
  return JSON.stringify(given.map(({ from, to, dueAt }) => [from, to, dueAt]));
}

function unpackGiven(text: string): GivenRange[] {
  return (JSON.parse(text) as [number, number, number][]).map(([from, to, dueAt]) => ({ from, to, dueAt }));
}

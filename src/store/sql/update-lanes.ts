import type { LaneCursor, Settlement } from '../lane-store.js';
import type { SqlDatabase, SqlRow, SqlValue, Statement } from './database.js';
import { packGiven } from './lane-row.js';

/** A lane to be written, under the fence of its settlement. */
export interface FencedUpdate {
  settlement: Settlement;
  cursor: LaneCursor;
}

/** Lanes that one statement writes: as many rows match as there are lanes, or some are fenced. */
export interface UpdateSet {
  lanes: FencedUpdate[];
  update: Statement;
  /** Reads topic, group and shard of those that it has written, within its database transaction or after it. */
  readWritten(): Statement;
}

/** Lanes of one UPDATE at most: what each costs grows with their number. */
const lanesTogetherMax = 64;
/** Room in a statement for a lane's names, numbers and the words around them. */
const bytesOfLane = 2_500;

const isLane = 'topic = ? AND consumer_group = ? AND shard = ?';
/** Names have no slash. */
const laneName = `CONCAT_WS('/', topic, consumer_group, shard)`;

/** What is written of one lane. */
interface LaneValues extends FencedUpdate {
  name: string;
  above: string;
  given: string;
}

export function updateOne({ settlement, cursor }: FencedUpdate): UpdateSet {
  return updateSet('', [valuesOf({ settlement, cursor })]);
}

/**
 * Many lanes by few UPDATEs: half of the work of one each, in the server and here. They are given in key order, and the server
 * finds and locks them in that order.
 */
export function updateTogether({ dialect, statementBytesMax }: SqlDatabase, updates: FencedUpdate[]): UpdateSet[] {
  const sets: LaneValues[][] = [];
  let bytes = Infinity;
  for (const lane of updates.map(valuesOf)) {
    const size = bytesOfLane + lane.above.length + lane.given.length;
    if (bytes + size > statementBytesMax || sets.at(-1)!.length >= lanesTogetherMax) {
      sets.push([]);
      bytes = 0;
    }
    bytes += size;
    sets.at(-1)!.push(lane);
  }
  return sets.map((lanes) => updateSet(dialect.byPrimaryKey, lanes));
}

/** Names a lane as {@link nameOfRow} does. */
export function nameOf({ topic, group }: Settlement, { shard }: LaneCursor): string {
  return `${topic}/${group}/${shard}`;
}

export function nameOfRow(row: SqlRow): string {
  return `${row['topic']}/${row['consumer_group']}/${row['shard']}`;
}

function valuesOf({ settlement, cursor }: FencedUpdate): LaneValues {
  const above = JSON.stringify(cursor.settledAbove);
  return { settlement, cursor, name: nameOf(settlement, cursor), above, given: packGiven(cursor.given) };
}

const columns: [name: string, valueOf: (lane: LaneValues) => SqlValue][] = [
  ['settled_offset', ({ cursor }) => cursor.settledOffset],
  ['settled_above', ({ above }) => above],
  ['given', ({ given }) => given],
  ['last_write', ({ settlement }) => settlement.write],
];

function updateSet(byPrimaryKey: string, lanes: LaneValues[]): UpdateSet {
  const assigned: SqlValue[] = [];
  const assignments = columns.map(([column, valueOf]) => {
    const value = valueOf(lanes[0]!);
    if (lanes.every((lane) => valueOf(lane) === value)) {
      assigned.push(value);
      return `${column} = ?`;
    }
    for (const lane of lanes) assigned.push(lane.name, valueOf(lane));
    return `${column} = CASE ${laneName}${' WHEN ? THEN ?'.repeat(lanes.length)} END`;
  });
  const where = (isFenced: string): string => lanes.map(() => `(${isLane} AND ${isFenced})`).join(' OR ');
  const fences = lanes.flatMap(({ settlement, cursor }): SqlValue[] => {
    return [settlement.topic, settlement.group, cursor.shard, settlement.epoch, settlement.write];
  });
  const set = assignments.join(', ');
  return {
    lanes,
    update: {
      sql: `UPDATE halfbox_lane${byPrimaryKey} SET ${set} WHERE ${where('epoch = ? AND last_write < ?')}`,
      params: [...assigned, ...fences],
    },
    readWritten: () => ({
      sql: `SELECT topic, consumer_group, shard FROM halfbox_lane${byPrimaryKey}
        WHERE ${where('epoch = ? AND last_write = ?')}`,
      params: fences,
    }),
  };
}

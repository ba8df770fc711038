import type { LaneCursor, Settlement } from '../lane-store.js';
import type { SqlDatabase, SqlRow, SqlSession, SqlValue, Statement } from './database.js';
import { packGiven } from './lane-row.js';

/** A lane to be written, under the fence of its settlement. */
export interface FencedUpdate {
  settlement: Settlement;
  cursor: LaneCursor;
}

/** Lanes of one UPDATE at most: what each costs grows with their number. */
const lanesTogetherMax = 64;
/** Room in a statement for a lane's names, numbers and the words around them. */
const bytesOfLane = 2_500;

const isLane = 'topic = ? AND consumer_group = ? AND shard = ?';
/** Names have no slash. */
const laneName = `CONCAT_WS('/', topic, consumer_group, shard)`;

/** One UPDATE, fenced by itself: its one row matches, or the lane is fenced. */
export function updateOne({ settlement, cursor }: FencedUpdate): Statement {
  return {
    sql: `UPDATE halfbox_lane SET settled_offset = ?, settled_above = ?, given = ?, last_write = ?
      WHERE ${isLane} AND epoch = ? AND last_write < ?`,
    params: [
      cursor.settledOffset,
      JSON.stringify(cursor.settledAbove),
      packGiven(cursor.given),
      settlement.write,
      settlement.topic,
      settlement.group,
      cursor.shard,
      settlement.epoch,
      settlement.write,
    ],
  };
}

/** What is written of one lane. */
interface LaneValues {
  update: FencedUpdate;
  name: string;
  above: string;
  given: string;
}

/**
 * Writes many lanes by few UPDATEs: half of the work of one each, in the server and here. They are given in key order, and the
 * server finds and locks them in that order. Answers those that matched their fence; the others are as they were.
 */
export async function updateTogether(
  { dialect, statementBytesMax }: SqlDatabase,
  session: SqlSession,
  updates: FencedUpdate[],
): Promise<Set<FencedUpdate>> {
  const sets = setsOf(updates, statementBytesMax);
  const results = await session.run(...sets.map((lanes) => updateSet(dialect.byPrimaryKey, lanes)));
  const missed = sets.filter((lanes, index) => results[index]!.affectedRows !== lanes.length);
  const written = new Set(updates);
  if (missed.length === 0) return written;
  // Within the same database transaction: what matched is locked, and shows its write.
  const found = await session.run(...missed.map((lanes) => readWritten(dialect.byPrimaryKey, lanes)));
  missed.forEach((lanes, index) => {
    const names = new Set(found[index]!.rows.map(nameOfRow));
    for (const { update, name } of lanes) if (!names.has(name)) written.delete(update);
  });
  return written;
}

function setsOf(updates: FencedUpdate[], bytesMax: number): LaneValues[][] {
  const sets: LaneValues[][] = [];
  let bytes = Infinity;
  for (const update of updates) {
    const { settlement, cursor } = update;
    const above = JSON.stringify(cursor.settledAbove);
    const given = packGiven(cursor.given);
    const size = bytesOfLane + above.length + given.length;
    if (bytes + size > bytesMax || sets.at(-1)!.length >= lanesTogetherMax) {
      sets.push([]);
      bytes = 0;
    }
    bytes += size;
    sets.at(-1)!.push({ update, name: `${settlement.topic}/${settlement.group}/${cursor.shard}`, above, given });
  }
  return sets;
}

function updateSet(byPrimaryKey: string, lanes: LaneValues[]): Statement {
  const columns: [name: string, valueOf: (lane: LaneValues) => SqlValue][] = [
    ['settled_offset', ({ update }) => update.cursor.settledOffset],
    ['settled_above', ({ above }) => above],
    ['given', ({ given }) => given],
    ['last_write', ({ update }) => update.settlement.write],
  ];
  const params: SqlValue[] = [];
  const assignments = columns.map(([column, valueOf]) => {
    const [first] = lanes;
    if (lanes.every((lane) => valueOf(lane) === valueOf(first!))) {
      params.push(valueOf(first!));
      return `${column} = ?`;
    }
    for (const lane of lanes) params.push(lane.name, valueOf(lane));
    return `${column} = CASE ${laneName}${' WHEN ? THEN ?'.repeat(lanes.length)} END`;
  });
  const fences = lanes.map(({ update }) => {
    params.push(...keyOf(update), update.settlement.epoch, update.settlement.write);
    return `(${isLane} AND epoch = ? AND last_write < ?)`;
  });
  return {
    sql: `UPDATE halfbox_lane${byPrimaryKey} SET ${assignments.join(', ')} WHERE ${fences.join(' OR ')}`,
    params,
  };
}

function readWritten(byPrimaryKey: string, lanes: LaneValues[]): Statement {
  const wanted = lanes.map(() => `(${isLane} AND epoch = ? AND last_write = ?)`);
  return {
    sql: `SELECT topic, consumer_group, shard FROM halfbox_lane${byPrimaryKey} WHERE ${wanted.join(' OR ')}`,
    params: lanes.flatMap(({ update }) => [...keyOf(update), update.settlement.epoch, update.settlement.write]),
  };
}

function keyOf({ settlement, cursor }: FencedUpdate): SqlValue[] {
  return [settlement.topic, settlement.group, cursor.shard];
}

function nameOfRow(row: SqlRow): string {
  return `${row.topic}/${row.consumer_group}/${row.shard}`;
}

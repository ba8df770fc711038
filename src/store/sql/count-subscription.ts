import type { LaneCursor } from '../lane-store.js';
import type { SubscriptionCounts } from '../subscription-store.js';
import type { SqlDatabase, SqlRow, Statement } from './database.js';
import { laneCursorOf } from './lane-row.js';
import { retryStateCode } from './retry-row.js';

/** A lane with the end of its shard. */
interface LaneState extends LaneCursor {
  nextOffset: number;
}

/**
 * Counts one subscription from its lanes and the indexes of its retries and dead letters; the log itself is read only
 * for the age of the oldest unsettled message, one chunk a lane at most. All zero when there is none.
 */
export async function countSubscription(
  database: SqlDatabase,
  topic: string,
  group: string,
): Promise<SubscriptionCounts> {
  const [lanes, retries, dead, lowest] = await database.read(
    {
      sql: `SELECT lane.shard, lane.settled_offset, lane.settled_above, lane.given, shard.next_offset FROM halfbox_lane lane
        JOIN halfbox_shard shard ON shard.topic = lane.topic AND shard.shard = lane.shard
        WHERE lane.topic = ? AND lane.consumer_group = ?`,
      params: [topic, group],
    },
    {
      sql: `SELECT state, COUNT(*) AS entries FROM halfbox_retry WHERE topic = ? AND consumer_group = ? GROUP BY state`,
      params: [topic, group],
    },
    {
      sql: 'SELECT COUNT(*) AS entries FROM halfbox_dead_letter WHERE topic = ? AND consumer_group = ?',
      params: [topic, group],
    },
    {
      sql: `SELECT shard, MIN(log_offset) AS log_offset FROM halfbox_retry
        WHERE topic = ? AND consumer_group = ? GROUP BY shard`,
      params: [topic, group],
    },
  );
  const states = (lanes?.rows ?? []).map((row): LaneState => ({
    ...laneCursorOf(row),
    nextOffset: Number(row['next_offset']),
  }));
  const entries = (retries?.rows ?? []).map((row) => [Number(row['state']), Number(row['entries'])] as const);
  const sum = (rows: readonly (readonly [number, number])[]): number => rows.reduce((all, [, count]) => all + count, 0);
  const counts: SubscriptionCounts = {
    backlog: states.reduce((all, lane) => all + unsettledOf(lane), 0) + sum(entries),
    inFlight:
      states.reduce((all, lane) => all + givenOf(lane), 0) +
      sum(entries.filter(([state]) => state === retryStateCode.given)),
    retrying: sum(entries.filter(([state]) => state !== retryStateCode.waiting_for_key)),
    dead: Number(dead?.rows[0]?.['entries'] ?? 0),
  };
  const oldest = await oldestAppendedAt(database, topic, group, firstUnsettled(states, lowest?.rows ?? []));
  if (oldest !== undefined) counts.oldestUnsettledAt = oldest;
  return counts;
}

/** Messages of a lane that are not settled there; those in the retry store are. */
function unsettledOf(lane: LaneState): number {
  const settledAbove = lane.settledAbove.reduce((all, [from, to]) => all + to - from, 0);
  return Math.max(0, lane.nextOffset - lane.settledOffset - settledAbove);
}

/** First attempts that are with consumers. */
function givenOf(lane: LaneState): number {
  return lane.given.reduce((all, { from, to }) => all + to - from, 0);
}

function firstUnsettled(lanes: LaneState[], lowestRetries: SqlRow[]): Map<number, number> {
  const first = new Map<number, number>();
  for (const lane of lanes) if (unsettledOf(lane) > 0) first.set(lane.shard, lane.settledOffset);
  for (const row of lowestRetries) {
    const shard = Number(row['shard']);
    first.set(shard, Math.min(first.get(shard) ?? Infinity, Number(row['log_offset'])));
  }
  return first;
}

/** The lowest time of these offsets: of their chunk, or, for a retry whose chunk was purged, when its message was stored. */
async function oldestAppendedAt(
  database: SqlDatabase,
  topic: string,
  group: string,
  offsets: Map<number, number>,
): Promise<number | undefined> {
  if (offsets.size === 0) return undefined;
  const places = [...offsets];
  const chunks = await database.read(
    ...places.map(([shard, offset]): Statement => ({
      sql: `SELECT first_offset, message_count, appended_at FROM halfbox_shard_log
          WHERE topic = ? AND shard = ? AND first_offset <= ? ORDER BY first_offset DESC LIMIT 1`,
      params: [topic, shard, offset],
    })),
  );
  const times: number[] = [];
  const purged: [shard: number, offset: number][] = [];
  places.forEach((place, index) => {
    const row = chunks[index]?.rows[0];
    const covers = row && place[1] < Number(row['first_offset']) + Number(row['message_count']);
    if (covers) times.push(Number(row['appended_at']));
    else purged.push(place);
  });
  if (purged.length > 0) {
    const stored = await database.read(...purged.map(([shard, offset]) => storedAtOf(topic, group, shard, offset)));
    for (const { rows } of stored) for (const row of rows) times.push(Number(row['stored_at']));
  }
  return times.length > 0 ? Math.min(...times) : undefined;
}

function storedAtOf(topic: string, group: string, shard: number, offset: number): Statement {
  return {
    sql: `SELECT message.stored_at FROM halfbox_retry retry JOIN halfbox_message message ON message.id = retry.message_id
      WHERE retry.topic = ? AND retry.consumer_group = ? AND retry.shard = ? AND retry.log_offset = ?`,
    params: [topic, group, shard, offset],
  };
}

import type { LaneCursor, NewDeadLetter, RetryEntry, Settlement } from '../lane-store.js';
import { rowPlaceholders, type SqlDatabase, type SqlDialect, type SqlValue, type Statement } from './database.js';
import { packGiven } from './lane-row.js';
import { deleteRetries } from './delete-retries.js';
import { retryColumns, retryValues } from './retry-row.js';

/** Rows of one INSERT at most. */
const rowsMax = 500;

const retryKey = ['topic', 'consumer_group', 'shard', 'log_offset'];
const retryReplaced = ['message_id', 'tag', 'key_hash', 'state', 'attempt', 'due_at', 'error', 'first_failed_at'];

interface FencedUpdate {
  settlement: Settlement;
  cursor: LaneCursor;
}

/**
 * Stores several subscriptions' settlements in one database transaction.
 *
 * Every lane is updated under the epoch that its owner holds. Lanes are locked in key order, here and where the epoch
 * is raised, and all lanes of a subscription change their epoch in one transaction; so either all lanes of a settlement
 * match or none does, and one that is fenced has changed nothing.
 *
 * With nothing but cursors the COMMIT goes in the same round trip: each UPDATE is fenced by itself and nothing else
 * hangs on its result. Otherwise retries and dead letters follow in a second one, for the settlements that matched.
 */
export async function settle(database: SqlDatabase, settlements: Settlement[]): Promise<('stored' | 'fenced')[]> {
  for (const settlement of settlements) requireLanes(settlement);
  const updates = settlements
    .flatMap((settlement) => settlement.cursors.map((cursor): FencedUpdate => ({ settlement, cursor })))
    .sort(byLane);
  if (updates.length === 0) return settlements.map(() => 'stored');
  const cursorsOnly = settlements.every(({ retriesPut, retriesDelete, deadLetters }) => {
    return retriesPut.length + retriesDelete.length + deadLetters.length === 0;
  });
  return database.transaction(async (session) => {
    const statements = updates.map(updateLane);
    const results = await (cursorsOnly ? session.finish(...statements) : session.run(...statements));
    const fenced = new Set<Settlement>();
    updates.forEach(({ settlement }, index) => {
      if (results[index]?.affectedRows !== 1) fenced.add(settlement);
    });
    if (!cursorsOnly) {
      const stored = settlements.filter((settlement) => !fenced.has(settlement));
      await session.finish(...entryStatements(database.dialect, stored));
    }
    return settlements.map((settlement) => (fenced.has(settlement) ? 'fenced' : 'stored'));
  });
}

/** An entry without its lane would be written without a fence. */
function requireLanes(settlement: Settlement): void {
  const lanes = new Set(settlement.cursors.map(({ shard }) => shard));
  for (const { shard } of [...settlement.retriesPut, ...settlement.retriesDelete, ...settlement.deadLetters]) {
    if (!lanes.has(shard)) {
      throw new Error(`a settlement of ${settlement.topic}/${settlement.group} lacks the cursor of shard ${shard}`);
    }
  }
}

function byLane(a: FencedUpdate, b: FencedUpdate): number {
  if (a.settlement.topic !== b.settlement.topic) return a.settlement.topic < b.settlement.topic ? -1 : 1;
  if (a.settlement.group !== b.settlement.group) return a.settlement.group < b.settlement.group ? -1 : 1;
  return a.cursor.shard - b.cursor.shard;
}

function updateLane({ settlement, cursor }: FencedUpdate): Statement {
  return {
    sql: `UPDATE halfbox_lane SET settled_offset = ?, settled_above = ?, given = ?
      WHERE topic = ? AND consumer_group = ? AND shard = ? AND epoch = ?`,
    params: [
      cursor.settledOffset,
      JSON.stringify(cursor.settledAbove),
      packGiven(cursor.given),
      settlement.topic,
      settlement.group,
      cursor.shard,
      settlement.epoch,
    ],
  };
}

function entryStatements(dialect: SqlDialect, settlements: Settlement[]): Statement[] {
  const deletes = settlements.flatMap(({ topic, group, retriesDelete }) => deleteRetries(topic, group, retriesDelete));
  const retries = settlements.flatMap(({ topic, group, retriesPut }) =>
    retriesPut.map((entry: RetryEntry): SqlValue[] => [topic, group, ...retryValues(entry)]),
  );
  const dead = settlements.flatMap(({ topic, group, deadLetters }) =>
    deadLetters.map((letter) => deadLetterValues(topic, group, letter)),
  );
  return [
    ...deletes,
    ...inserts(
      `halfbox_retry (topic, consumer_group, ${retryColumns})`,
      retries,
      dialect.onConflictUpdate(retryKey, retryReplaced),
    ),
    ...inserts(
      `halfbox_dead_letter (id, topic, consumer_group, shard, log_offset, message_id, tag, key_hash, attempts, error,
        first_failed_at, died_at)`,
      dead,
      dialect.onConflictKeep(['id']),
    ),
  ];
}

function deadLetterValues(topic: string, group: string, letter: NewDeadLetter): SqlValue[] {
  return [
    letter.id,
    topic,
    group,
    letter.shard,
    letter.offset,
    letter.ref.id,
    letter.ref.tag,
    letter.ref.keyHash,
    letter.attempts,
    letter.error,
    letter.firstFailedAt,
    letter.diedAt,
  ];
}

function inserts(into: string, rows: SqlValue[][], onConflict: string): Statement[] {
  const statements: Statement[] = [];
  for (let start = 0; start < rows.length; start += rowsMax) {
    const batch = rows.slice(start, start + rowsMax);
    statements.push({
      sql: `INSERT INTO ${into} VALUES ${rowPlaceholders(batch.length, batch[0]?.length ?? 0)}${onConflict}`,
      params: batch.flat(),
    });
  }
  return statements;
}

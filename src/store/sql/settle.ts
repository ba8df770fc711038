import type { LaneCursor, NewDeadLetter, Settlement } from '../lane-store.js';
import type { SqlDatabase, SqlValue, Statement } from './database.js';
import { packGiven } from './lane-row.js';
import { deleteRetries } from './delete-retries.js';
import { MultiRowInsert } from './multi-row-insert.js';
import { retryColumns, retryValues } from './retry-row.js';

const retryKey = ['topic', 'consumer_group', 'shard', 'log_offset'];
const retryReplaced = ['message_id', 'tag', 'key_hash', 'state', 'attempt', 'due_at', 'error', 'first_failed_at'];

const deadLetterColumns =
  'id, topic, consumer_group, shard, log_offset, message_id, tag, key_hash, attempts, error, first_failed_at, died_at';

interface FencedUpdate {
  settlement: Settlement;
  cursor: LaneCursor;
}

/**
 * Stores several subscriptions' settlements in one database transaction.
 *
 * Every lane is updated under the epoch that its owner holds, and after the owner's earlier writes: one whose answer did not come
 * may be run late, when the owner has written again. Lanes are locked in key order, here and where the epoch
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
  const cursorsOnly = settlements.every(hasOnlyCursors);
  return database.transaction(async (session) => {
    const statements = updates.map(updateLane);
    const results = await (cursorsOnly ? session.finish(...statements) : session.run(...statements));
    const fenced = new Set<Settlement>();
    updates.forEach(({ settlement }, index) => {
      if (results[index]?.affectedRows !== 1) fenced.add(settlement);
    });
    if (!cursorsOnly) {
      const stored = settlements.filter((settlement) => !fenced.has(settlement));
      await session.finish(...entryStatements(database, stored));
    }
    return settlements.map((settlement) => (fenced.has(settlement) ? 'fenced' : 'stored'));
  });
}

/** Whether it is written in one round trip, with its COMMIT. */
export function hasOnlyCursors({ retriesPut, retriesDelete, deadLetters }: Settlement): boolean {
  return retriesPut.length + retriesDelete.length + deadLetters.length === 0;
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
    sql: `UPDATE halfbox_lane SET settled_offset = ?, settled_above = ?, given = ?, last_write = ?
      WHERE topic = ? AND consumer_group = ? AND shard = ? AND epoch = ? AND last_write < ?`,
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

function entryStatements(database: SqlDatabase, settlements: Settlement[]): Statement[] {
  const { dialect, statementBytesMax } = database;
  const retries = new MultiRowInsert(
    'halfbox_retry',
    `topic, consumer_group, ${retryColumns}`,
    statementBytesMax,
    dialect.onConflictUpdate(retryKey, retryReplaced),
  );
  const dead = new MultiRowInsert(
    'halfbox_dead_letter',
    deadLetterColumns,
    statementBytesMax,
    dialect.onConflictKeep(['id']),
  );
  const deletes: Statement[] = [];
  for (const { topic, group, retriesPut, retriesDelete, deadLetters } of settlements) {
    deletes.push(...deleteRetries(topic, group, retriesDelete));
    for (const entry of retriesPut) {
      retries.row(bytesOfError(entry.error)).push(topic, group, ...retryValues(entry));
    }
    for (const letter of deadLetters) {
      dead.row(bytesOfError(letter.error)).push(letter.id, topic, group, ...deadLetterValues(letter));
    }
  }
  return [...deletes, ...retries.statements(), ...dead.statements()];
}

/** Room for an error's text in a statement: three bytes a character cover UTF-8 as well as escapes. */
function bytesOfError(error: string | undefined): number {
  return (error?.length ?? 0) * 3;
}

function deadLetterValues(letter: NewDeadLetter): SqlValue[] {
  return [
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

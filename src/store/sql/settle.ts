import { Problem } from '../../message/problem.js';
import type { NewDeadLetter, Settlement } from '../lane-store.js';
import type { SqlDatabase, SqlResult, SqlValue, Statement } from './database.js';
import { deleteRetries } from './delete-retries.js';
import { MultiRowInsert } from './multi-row-insert.js';
import { retryColumns, retryValues } from './retry-row.js';
import { nameOf, nameOfRow, updateOne, updateTogether, type FencedUpdate, type UpdateSet } from './update-lanes.js';

const retryKey = ['topic', 'consumer_group', 'shard', 'log_offset'];
const retryReplaced = ['message_id', 'tag', 'key_hash', 'state', 'attempt', 'due_at', 'error', 'first_failed_at'];

const deadLetterColumns =
  'id, topic, consumer_group, shard, log_offset, message_id, tag, key_hash, attempts, error, first_failed_at, died_at';

/**
 * Stores several subscriptions' settlements in one database transaction.
 *
 * Every lane is updated under the epoch that its owner holds, and after the owner's earlier writes: one whose answer did not come
 * may be run late, when the owner has written again. Lanes are locked in key order, here and where the epoch
 * is raised, and all lanes of a subscription change their epoch in one transaction; so either all lanes of a settlement
 * match or none does, and one that is fenced has changed nothing.
 *
 * With nothing but cursors the COMMIT goes in the same round trip: each lane is fenced by itself and nothing else
 * hangs on its result. Otherwise retries and dead letters follow in a second one, for the settlements that matched.
 */
export async function settle(database: SqlDatabase, settlements: Settlement[]): Promise<('stored' | 'fenced')[]> {
  for (const settlement of settlements) requireLanes(settlement);
  const updates = settlements
    .flatMap((settlement) => settlement.cursors.map((cursor): FencedUpdate => ({ settlement, cursor })))
    .sort(byLane);
  if (updates.length === 0) return settlements.map(() => 'stored');
  const together = updates.length >= database.dialect.lanesTogetherMin && areApart(updates);
  const sets = together ? updateTogether(database, updates) : updates.map(updateOne);
  const fenced = settlements.every(hasOnlyCursors)
    ? await writeCursors(database, sets)
    : await writeWithEntries(database, sets, settlements);
  return settlements.map((settlement) => (fenced.has(settlement) ? 'fenced' : 'stored'));
}

/** Answers those that were fenced. Which of a set those are is read after the COMMIT: one that was taken over since counts as fenced. */
async function writeCursors(database: SqlDatabase, sets: UpdateSet[]): Promise<Set<Settlement>> {
  const results = await database.transaction((session) => session.finish(...sets.map(({ update }) => update)));
  return fencedOf(sets, results, async (reads) => {
    try {
      return await database.read(...reads);
    } catch (error) {
      // It is stored, but for those that were fenced: written again one by one, with the same numbers, all would seem fenced.
      throw new Problem('unavailable', 'what was settled is stored, and could not be read back', { cause: error });
    }
  });
}

async function writeWithEntries(
  database: SqlDatabase,
  sets: UpdateSet[],
  settlements: Settlement[],
): Promise<Set<Settlement>> {
  return database.transaction(async (session) => {
    const results = await session.run(...sets.map(({ update }) => update));
    const fenced = await fencedOf(sets, results, (reads) => session.run(...reads));
    const stored = settlements.filter((settlement) => !fenced.has(settlement));
    await session.finish(...entryStatements(database, stored));
    return fenced;
  });
}

/** The settlements of which a lane did not match. */
async function fencedOf(
  sets: UpdateSet[],
  results: SqlResult[],
  read: (statements: Statement[]) => Promise<SqlResult[]>,
): Promise<Set<Settlement>> {
  const missed = sets.filter(({ lanes }, index) => results[index]!.affectedRows !== lanes.length);
  const fenced = new Set(missed.filter(({ lanes }) => lanes.length === 1).map(({ lanes }) => lanes[0]!.settlement));
  const several = missed.filter(({ lanes }) => lanes.length > 1);
  if (several.length === 0) return fenced;
  const found = await read(several.map((set) => set.readWritten()));
  several.forEach(({ lanes }, index) => {
    const written = new Set(found[index]!.rows.map(nameOfRow));
    for (const { settlement, cursor } of lanes) if (!written.has(nameOf(settlement, cursor))) fenced.add(settlement);
  });
  return fenced;
}

/** Whether each is of another lane, where they are in key order: of two in one UPDATE the first would be written for both. */
function areApart(updates: FencedUpdate[]): boolean {
  return updates.every((update, index) => index === 0 || byLane(updates[index - 1]!, update) !== 0);
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

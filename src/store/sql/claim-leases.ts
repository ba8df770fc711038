import type { ClaimedSubscription, FreeLease } from '../lane-store.js';
import { textOf, type SqlDatabase, type SqlDialect, type SqlResult, type SqlRow, type Statement } from './database.js';
import { laneColumns, laneCursorOf } from './lane-row.js';
import { secretsOf, subscriptionColumns, subscriptionOf } from './subscription-row.js';

const byKey = 'topic = ? AND consumer_group = ?';

/**
 * Takes the leases of those subscriptions that are at their `epoch` and free at `now`: nobody owns them, or their owner's
 * node row is missing or has ended. All are taken in one database transaction with the same few statements, however many they
 * are. The epoch is raised in each subscription and in all its lanes, so that a settlement of the old owner either came before
 * (and is in the cursors answered here) or matches no lane. Rows are locked in key order, as `settle` locks them. What is
 * answered was understood before the COMMIT: a row that cannot be read fails the call, and then nothing was taken.
 * @returns in the order of `leases`; null where another was faster
 */
export async function claimLeases(
  database: SqlDatabase,
  { leases, nodeId, now }: { leases: readonly FreeLease[]; nodeId: string; now: number },
): Promise<(ClaimedSubscription | null)[]> {
  if (leases.length === 0) return [];
  const { dialect } = database;
  return database.transaction(async (session) => {
    const [free] = await session.run(lockFree(dialect, leases, now));
    const rows = free?.rows ?? [];
    if (rows.length === 0) return leases.map(() => null);
    const [, , lanes, entries] = await session.run(...take(dialect, rows, nodeId, now));
    const claimed = claimedByName(rows, lanes!, entries!, nodeId);
    return leases.map(({ topic, group }) => claimed.get(nameOf(topic, group)) ?? null);
  });
}

/** Neither a topic nor a group holds a slash. */
const nameOf = (topic: string, group: string): string => `${topic}/${group}`;

const nameOfRow = (row: SqlRow): string => nameOf(textOf(row['topic']), textOf(row['consumer_group']));

function lockFree(dialect: SqlDialect, leases: readonly FreeLease[], now: number): Statement {
  const ofLease = leases.map(() => `(${byKey} AND epoch = ?)`).join(' OR ');
  return {
    sql: `SELECT ${subscriptionColumns} FROM halfbox_subscription${dialect.byPrimaryKey} WHERE (${ofLease})
        AND removing = 0 AND (owner IS NULL OR NOT EXISTS (
          SELECT 1 FROM halfbox_node n WHERE n.id = halfbox_subscription.owner AND n.expires_at > ?))
      ORDER BY topic, consumer_group${dialect.forUpdate}`,
    params: [...leases.flatMap(({ topic, group, epoch }) => [topic, group, epoch]), now],
  };
}

/** Raises the epochs of locked rows, and then reads what can no longer be changed by their old owners. */
function take({ byPrimaryKey }: SqlDialect, rows: SqlRow[], nodeId: string, now: number): Statement[] {
  const ofRows = `(${rows.map(() => `(${byKey})`).join(' OR ')})`;
  const keys = rows.flatMap((row) => [textOf(row['topic']), textOf(row['consumer_group'])]);
  const entriesIn = (table: string): string =>
    `EXISTS (SELECT 1 FROM ${table} e WHERE e.topic = s.topic AND e.consumer_group = s.consumer_group)`;
  return [
    {
      sql: `UPDATE halfbox_subscription${byPrimaryKey} SET owner = ?, epoch = epoch + 1, changed_at = ? WHERE ${ofRows}`,
      params: [nodeId, now, ...keys],
    },
    {
      sql: `UPDATE halfbox_lane${byPrimaryKey} SET last_write = 0, epoch = (SELECT s.epoch FROM halfbox_subscription s
          WHERE s.topic = halfbox_lane.topic AND s.consumer_group = halfbox_lane.consumer_group) WHERE ${ofRows}`,
      params: keys,
    },
    {
      sql: `SELECT topic, consumer_group, ${laneColumns} FROM halfbox_lane WHERE ${ofRows} ORDER BY shard`,
      params: keys,
    },
    {
      sql: `SELECT s.topic, s.consumer_group FROM halfbox_subscription s
        WHERE ${ofRows} AND (${entriesIn('halfbox_retry')} OR ${entriesIn('halfbox_dead_letter')})`,
      params: keys,
    },
  ];
}

function claimedByName(
  rows: SqlRow[],
  lanes: SqlResult,
  entries: SqlResult,
  owner: string,
): Map<string, ClaimedSubscription> {
  const withEntries = new Set(entries.rows.map(nameOfRow));
  const claimed = new Map<string, ClaimedSubscription>();
  for (const row of rows) {
    const before = subscriptionOf(row);
    claimed.set(nameOfRow(row), {
      subscription: { ...before, owner, epoch: before.epoch + 1 },
      secrets: secretsOf(row),
      cursors: [],
      hasEntries: withEntries.has(nameOfRow(row)),
    });
  }
  for (const row of lanes.rows) claimed.get(nameOfRow(row))!.cursors.push(laneCursorOf(row));
  return claimed;
}

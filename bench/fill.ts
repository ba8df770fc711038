import { createConnection, type Connection } from 'mysql2/promise';
import type { Rig } from './rig.js';
import { requireSameRows, type RowSource } from './row-shape.js';
import { sendAll } from './send.js';

/**
 * Rows that the broker would write, put into MariaDB or MySQL directly, since ten million calls would take hours. Whether
 * they are just what this broker writes is checked each time against a few that it did write.
 */

/** References of one row of the log, as the batches of about 128 callers have them. */
const chunkMessages = 64;
const shards = 4;
/** Rows of one statement: a whole number of chunks. */
const blockRows = chunkMessages * 1_600;
const bodyBytes = 256;
const dayMs = 24 * 3_600_000;

type Run = (sql: string, params?: unknown[]) => Promise<unknown>;

/** With a table of the numbers 0..blockRows-1, which is gone afterwards. */
async function withNumbers(rig: Rig, use: (run: Run) => Promise<void>): Promise<void> {
  const connection: Connection = await createConnection(rig.storeUrl);
  const run: Run = (sql, params = []) => connection.query(sql, params);
  try {
    await run('SET SESSION group_concat_max_len = 1048576');
    await run('CREATE TEMPORARY TABLE bench_number (n INT NOT NULL PRIMARY KEY)');
    await run('CREATE TEMPORARY TABLE bench_more (n INT NOT NULL PRIMARY KEY)');
    await run('INSERT INTO bench_number VALUES (0)');
    for (let count = 1; count < blockRows; count *= 2) {
      // A temporary table cannot be read twice in one statement of MySQL, nor written while it is read.
      await run('INSERT INTO bench_more SELECT n + ? FROM bench_number WHERE n + ? < ?', [count, count, blockRows]);
      await run('INSERT INTO bench_number SELECT n FROM bench_more');
      await run('DELETE FROM bench_more');
    }
    await use(run);
  } finally {
    await connection.end();
  }
}

/** SQL of a UUIDv7 in the order of `n`. */
const idOf = (prefix: string) => `CONCAT('${prefix}', LPAD(LOWER(HEX(n)), 12, '0'))`;
let prefixes = 0;
const nextPrefix = () => `01900000-${(prefixes += 1).toString(16).padStart(4, '0')}-7000-8000-`;
const bodyOf = () => `CONCAT('{"t":0,"n":', n, ',"p":"', REPEAT('x', ${bodyBytes - 48}), '"}')`;

/** Plain sends of a topic that has none, of which no subscription has seen any. No broker may be running. */
async function insertBacklog(run: Run, topic: string, count: number): Promise<void> {
  const id = idOf(nextPrefix());
  const now = Date.now();
  for (let start = 0; start < count; start += blockRows) {
    const rows = `(SELECT n + ${start} AS n FROM bench_number WHERE n + ${start} < ${count}) AS numbers`;
    await run(
      `INSERT INTO halfbox_message (id, topic, stored_at, shard, log_offset, body_kind, body)
        SELECT ${id}, ?, ?, n DIV ${chunkMessages} MOD ${shards},
          n DIV ${chunkMessages * shards} * ${chunkMessages} + n MOD ${chunkMessages}, 0, ${bodyOf()} FROM ${rows} ORDER BY n`,
      [topic, now],
    );
    await run(
      `INSERT INTO halfbox_shard_log (topic, shard, first_offset, message_count, appended_at, refs)
        SELECT ?, MIN(n) DIV ${chunkMessages} MOD ${shards}, MIN(n) DIV ${chunkMessages * shards} * ${chunkMessages},
          COUNT(*), ?, CONCAT('["', GROUP_CONCAT(${id} ORDER BY n SEPARATOR '","'), '"]')
        FROM ${rows} GROUP BY n DIV ${chunkMessages}`,
      [topic, now],
    );
  }
  await run(
    `UPDATE halfbox_shard SET last_appended_at = ?, next_offset = (SELECT COALESCE(SUM(message_count), 0)
      FROM halfbox_shard_log WHERE halfbox_shard_log.topic = halfbox_shard.topic
      AND halfbox_shard_log.shard = halfbox_shard.shard) WHERE topic = ?`,
    [now, topic],
  );
}

/** @param preparedAt epoch ms; they were rolled back at once, and are kept for three days */
async function insertRolledBack(run: Run, topic: string, count: number, preparedAt: number): Promise<void> {
  const id = idOf(nextPrefix());
  const transactionId = idOf(nextPrefix());
  const dueAt = preparedAt + 3 * dayMs;
  for (let start = 0; start < count; start += blockRows) {
    const rows = `(SELECT n + ${start} AS n FROM bench_number WHERE n + ${start} < ${count}) AS numbers`;
    await run(
      `INSERT INTO halfbox_message (id, topic, transaction_id, stored_at, body_kind, body)
        SELECT ${id}, ?, ${transactionId}, ?, 0, ${bodyOf()} FROM ${rows} ORDER BY n`,
      [topic, preparedAt],
    );
    await run(
      `INSERT INTO halfbox_transaction (id, producer, state, due_at, prepared_at, first_check_at, message_refs,
          placements, resolved_at, resolved_by)
        SELECT ${transactionId}, 'bench', 2, ?, ?, ?, CONCAT('[["', ${id}, '","${topic}"]]'), REPEAT(' ', 18), ?, 0
        FROM ${rows} ORDER BY n`,
      [dueAt, preparedAt, preparedAt + 6_000, preparedAt],
    );
  }
}

const messagesOf = (topic: string): RowSource => ({
  sql: 'SELECT * FROM halfbox_message WHERE topic = ? ORDER BY id LIMIT 1',
  params: [topic],
});
const chunkOf = (topic: string): RowSource => ({
  sql: 'SELECT * FROM halfbox_shard_log WHERE topic = ? AND message_count = ? ORDER BY shard, first_offset LIMIT 1',
  params: [topic, chunkMessages],
});
const shardOf = (topic: string): RowSource => ({
  sql: 'SELECT * FROM halfbox_shard WHERE topic = ? AND next_offset > 0 ORDER BY shard LIMIT 1',
  params: [topic],
});

/**
 * Gives each of these topics, which exist and are empty, so many messages. The broker must run when this is called, for the check
 * of the rows; it is stopped, and not started again.
 */
export async function fillBacklog(rig: Rig, topics: { name: string; count: number }[]): Promise<void> {
  await rig.topic();
  await rig.topic('filled');
  await sendAll(rig, chunkMessages, { bodyBytes }, 0);
  await rig.stopBrokers();
  await withNumbers(rig, async (run) => {
    await insertBacklog(run, 'filled', chunkMessages);
    for (const source of [messagesOf, chunkOf, shardOf]) await requireSameRows(rig, source('bench'), source('filled'));
    for (const { name, count } of topics) await insertBacklog(run, name, count);
  });
}

/** Adds transactions of one message each that were rolled back four days ago, and so are to be deleted. The broker runs on afterwards. */
export async function fillRolledBack(rig: Rig, count: number): Promise<void> {
  const message = { topic: 'sample', body: { t: 0, n: 0, p: 'x'.repeat(bodyBytes - 48) } };
  const id = `${nextPrefix()}000000000000`;
  await rig.call('POST', '/v1/transactions', { id, producer: 'bench', messages: [message] });
  await rig.call('POST', `/v1/transactions/${id}/rollback`);
  await rig.stopBrokers();
  await withNumbers(rig, async (run) => {
    await insertRolledBack(run, 'filled', 1, Date.now());
    const written = { sql: 'SELECT * FROM halfbox_transaction WHERE id = ?', params: [id] };
    const filled = { sql: 'SELECT * FROM halfbox_transaction WHERE id <> ? LIMIT 1', params: [id] };
    await requireSameRows(rig, written, filled);
    await requireSameRows(rig, messagesOf('sample'), messagesOf('filled'));
    await insertRolledBack(run, 'bench', count, Date.now() - 4 * dayMs);
  });
  await rig.startBroker();
}

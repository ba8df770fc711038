import type { MigrationInterface, QueryRunner } from 'typeorm';
import { reached } from '../src/message/step.js';

/** Column types, by kind of server. Names and ids are ASCII and compared byte by byte; free text is kept as bytes for the same reason. */
interface ColumnTypes {
  name(length: number): string;
  bytes(length: number): string;
  text: string;
  blob: string;
  int: string;
  big: string;
  suffix: string;
  /** Of a table whose rows may be long. */
  suffixOfLongRows: string;
}

const mysqlTypes: ColumnTypes = {
  name: (length) => `VARCHAR(${length}) CHARACTER SET ascii COLLATE ascii_bin`,
  bytes: (length) => `VARBINARY(${length})`,
  text: 'MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin',
  blob: 'LONGBLOB',
  int: 'INT',
  big: 'BIGINT',
  suffix: ' ENGINE=InnoDB',
  suffixOfLongRows: ' ENGINE=InnoDB',
};

const sqliteTypes: ColumnTypes = {
  name: () => 'TEXT COLLATE BINARY',
  bytes: () => 'BLOB',
  text: 'TEXT',
  blob: 'BLOB',
  int: 'INTEGER',
  big: 'INTEGER',
  suffix: ' WITHOUT ROWID',
  // In a tree by the row's own key, bodies of 2 KiB cost a fifth more to insert and twice as much to read.
  suffixOfLongRows: '',
};

function topicTables(t: ColumnTypes): string[] {
  return [
    `CREATE TABLE IF NOT EXISTS halfbox_store (
      id ${t.int} NOT NULL, store_id ${t.name(64)} NOT NULL, node_secret ${t.name(128)} NOT NULL, PRIMARY KEY (id))${t.suffix}`,
    `CREATE TABLE IF NOT EXISTS halfbox_topic (
      name ${t.name(127)} NOT NULL, shards ${t.int} NOT NULL, retention_ms ${t.big} NOT NULL,
      body_bytes_max ${t.big} NOT NULL, created_at ${t.big} NOT NULL, PRIMARY KEY (name))${t.suffix}`,
    // Topics that are gone while their rows are still being deleted.
    `CREATE TABLE IF NOT EXISTS halfbox_removed_topic (
      name ${t.name(127)} NOT NULL, removed_at ${t.big} NOT NULL, PRIMARY KEY (name))${t.suffix}`,
    `CREATE TABLE IF NOT EXISTS halfbox_shard (
      topic ${t.name(127)} NOT NULL, shard ${t.int} NOT NULL, first_offset ${t.big} NOT NULL, next_offset ${t.big} NOT NULL,
      last_appended_at ${t.big} NOT NULL, PRIMARY KEY (topic, shard))${t.suffix}`,
    `CREATE TABLE IF NOT EXISTS halfbox_shard_log (
      topic ${t.name(127)} NOT NULL, shard ${t.int} NOT NULL, first_offset ${t.big} NOT NULL, message_count ${t.int} NOT NULL,
      appended_at ${t.big} NOT NULL, refs ${t.text} NOT NULL, PRIMARY KEY (topic, shard, first_offset))${t.suffix}`,
    `CREATE TABLE IF NOT EXISTS halfbox_producer (
      name ${t.name(64)} NOT NULL, config ${t.text} NOT NULL, secrets ${t.text}, created_at ${t.big} NOT NULL,
      PRIMARY KEY (name))${t.suffix}`,
    `CREATE TABLE IF NOT EXISTS halfbox_node (
      id ${t.name(64)} NOT NULL, url ${t.text} NOT NULL, version ${t.name(64)} NOT NULL, started_at ${t.big} NOT NULL,
      expires_at ${t.big} NOT NULL, PRIMARY KEY (id))${t.suffix}`,
    // Which instances of producers can be asked over a stream, and the node that holds it.
    `CREATE TABLE IF NOT EXISTS halfbox_producer_stream (
      producer ${t.name(64)} NOT NULL, instance ${t.name(64)} NOT NULL, node_id ${t.name(64)} NOT NULL,
      connected_at ${t.big} NOT NULL, PRIMARY KEY (producer, instance, node_id))${t.suffix}`,
    `CREATE INDEX halfbox_producer_stream_node ON halfbox_producer_stream (node_id)`,
    `CREATE TABLE IF NOT EXISTS halfbox_audit (
      id ${t.name(64)} NOT NULL, at ${t.big} NOT NULL, actor ${t.text} NOT NULL, action ${t.text} NOT NULL,
      target ${t.text} NOT NULL, reason ${t.text}, PRIMARY KEY (id))${t.suffix}`,
  ];
}

function messageTables(t: ColumnTypes): string[] {
  return [
    // state: 0 prepared, 1 committed, 2 rolled back, 3 parked. due_at: next check, or the end of the row's time.
    // message_refs: JSON [[id, topic, tag, keyHash, delayMs, deliverAt], …]; placements: JSON, parallel to it; blank until
    // the commit. What a resolution sets is never null, so that it changes no row's length (see transaction-row.ts).
    // The id is kept as bytes: long lists of ids cost MySQL a quarter less than where it minds their character set.
    `CREATE TABLE IF NOT EXISTS halfbox_transaction (
      id ${t.bytes(64)} NOT NULL, producer ${t.name(64)} NOT NULL, state ${t.int} NOT NULL DEFAULT 0, due_at ${t.big} NOT NULL,
      prepared_at ${t.big} NOT NULL, first_check_at ${t.big} NOT NULL, message_refs ${t.text} NOT NULL, placements ${t.text} NOT NULL,
      asked ${t.int} NOT NULL DEFAULT 0, answered ${t.int} NOT NULL DEFAULT 0, claim_token ${t.name(64)}, claimed_until ${t.big},
      resolved_at ${t.big} NOT NULL DEFAULT 0, resolved_by ${t.int} NOT NULL DEFAULT 0, reason ${t.text}, instance ${t.name(64)},
      PRIMARY KEY (id))${t.suffix}`,
    `CREATE INDEX halfbox_transaction_due ON halfbox_transaction (state, due_at)`,
    `CREATE TABLE IF NOT EXISTS halfbox_check_attempt (
      transaction_id ${t.name(64)} NOT NULL, attempt ${t.int} NOT NULL, at ${t.big} NOT NULL, outcome ${t.name(16)} NOT NULL,
      latency_ms ${t.int} NOT NULL, error ${t.text}, PRIMARY KEY (transaction_id, attempt))${t.suffix}`,
    // shard and log_offset: set where the message was inserted visible, or when a delayed one became due.
    // due_at: when a delayed message is due, set once that is known; recalled_at: it was recalled.
    // body_kind: 0 JSON text, 1 bytes.
    `CREATE TABLE IF NOT EXISTS halfbox_message (
      id ${t.name(64)} NOT NULL, topic ${t.name(127)} NOT NULL, message_key ${t.bytes(512)}, tag ${t.bytes(256)},
      ordering_key ${t.bytes(512)}, headers ${t.text}, content_type ${t.bytes(1020)}, transaction_id ${t.name(64)},
      stored_at ${t.big} NOT NULL, delay_ms ${t.big}, deliver_at ${t.big}, due_at ${t.big}, recalled_at ${t.big},
      shard ${t.int}, log_offset ${t.big}, body_kind ${t.int} NOT NULL, body ${t.blob} NOT NULL, PRIMARY KEY (id))${t.suffixOfLongRows}`,
    `CREATE INDEX halfbox_message_key ON halfbox_message (topic, message_key, stored_at)`,
    `CREATE TABLE IF NOT EXISTS halfbox_scheduled_message (
      due_at ${t.big} NOT NULL, message_id ${t.name(64)} NOT NULL, topic ${t.name(127)} NOT NULL, ref ${t.text} NOT NULL,
      PRIMARY KEY (due_at, message_id))${t.suffix}`,
    // Messages that no log chunk names: recalled, or outlived by a retry or a dead letter. Looked at again at recheck_at.
    `CREATE TABLE IF NOT EXISTS halfbox_kept_message (
      message_id ${t.name(64)} NOT NULL, stored_at ${t.big} NOT NULL, recheck_at ${t.big} NOT NULL,
      PRIMARY KEY (message_id))${t.suffix}`,
    `CREATE INDEX halfbox_kept_message_recheck ON halfbox_kept_message (recheck_at)`,
  ];
}

function deliveryTables(t: ColumnTypes): string[] {
  const subscriptionKey = `topic ${t.name(127)} NOT NULL, consumer_group ${t.name(64)} NOT NULL`;
  return [
    // idle_until: when an ephemeral subscription may go, NULL for others; removing: 1 while its rows are being deleted.
    `CREATE TABLE IF NOT EXISTS halfbox_subscription (
      ${subscriptionKey}, config ${t.text} NOT NULL, secrets ${t.text}, paused ${t.int} NOT NULL, paused_reason ${t.text},
      generation ${t.big} NOT NULL, epoch ${t.big} NOT NULL, owner ${t.name(64)}, created_at ${t.big} NOT NULL,
      changed_at ${t.big} NOT NULL, expires_after_idle_ms ${t.big}, idle_until ${t.big}, removing ${t.int} NOT NULL,
      PRIMARY KEY (topic, consumer_group))${t.suffix}`,
    `CREATE INDEX halfbox_subscription_owner ON halfbox_subscription (owner)`,
    `CREATE INDEX halfbox_subscription_changed ON halfbox_subscription (changed_at)`,
    `CREATE INDEX halfbox_subscription_idle ON halfbox_subscription (idle_until)`,
    // settled_above: JSON [[from, to), …]; given: JSON [[from, to, dueAt], …].
    `CREATE TABLE IF NOT EXISTS halfbox_lane (
      ${subscriptionKey}, shard ${t.int} NOT NULL, epoch ${t.big} NOT NULL, settled_offset ${t.big} NOT NULL,
      settled_above ${t.text} NOT NULL, given ${t.text} NOT NULL, PRIMARY KEY (topic, consumer_group, shard))${t.suffix}`,
    // state: 0 due, 1 given, 2 waiting for its key.
    `CREATE TABLE IF NOT EXISTS halfbox_retry (
      ${subscriptionKey}, shard ${t.int} NOT NULL, log_offset ${t.big} NOT NULL, message_id ${t.name(64)} NOT NULL,
      tag ${t.bytes(256)}, key_hash ${t.name(16)}, state ${t.int} NOT NULL, attempt ${t.int} NOT NULL, due_at ${t.big} NOT NULL,
      error ${t.text}, first_failed_at ${t.big}, PRIMARY KEY (topic, consumer_group, shard, log_offset))${t.suffix}`,
    `CREATE INDEX halfbox_retry_due ON halfbox_retry (topic, consumer_group, state, due_at)`,
    `CREATE INDEX halfbox_retry_key ON halfbox_retry (topic, consumer_group, key_hash, shard, log_offset)`,
    `CREATE INDEX halfbox_retry_message ON halfbox_retry (message_id)`,
    `CREATE TABLE IF NOT EXISTS halfbox_dead_letter (
      id ${t.name(64)} NOT NULL, ${subscriptionKey}, shard ${t.int} NOT NULL, log_offset ${t.big} NOT NULL,
      message_id ${t.name(64)} NOT NULL, tag ${t.bytes(256)}, key_hash ${t.name(16)}, attempts ${t.int} NOT NULL,
      error ${t.text} NOT NULL, first_failed_at ${t.big} NOT NULL, died_at ${t.big} NOT NULL, PRIMARY KEY (id))${t.suffix}`,
    `CREATE INDEX halfbox_dead_letter_subscription ON halfbox_dead_letter (topic, consumer_group, id)`,
    `CREATE INDEX halfbox_dead_letter_key ON halfbox_dead_letter (topic, consumer_group, key_hash, shard, log_offset)`,
    `CREATE INDEX halfbox_dead_letter_message ON halfbox_dead_letter (message_id)`,
    `CREATE INDEX halfbox_dead_letter_died ON halfbox_dead_letter (died_at)`,
  ];
}

/** MySQL has no CREATE INDEX IF NOT EXISTS, so the index is looked for first. */
async function createIndex(queryRunner: QueryRunner, isSqlite: boolean, statement: string): Promise<void> {
  const [, name = '', table = ''] = /^CREATE INDEX (\w+) ON (\w+)/.exec(statement) ?? [];
  if (isSqlite) return void (await queryRunner.query(statement.replace('INDEX', 'INDEX IF NOT EXISTS')));
  const found = (await queryRunner.query(
    'SELECT 1 FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = ? AND index_name = ?',
    [table, name],
  )) as unknown[];
  if (found.length === 0) await queryRunner.query(statement);
}

/**
 * The tables of version 1. See ARCHITECTURE.md for which stage of a message's life owns which. MySQL commits every statement of
 * a schema change by itself, so a run that was cut off is simply run again: what is there already is left alone.
 */
export class Initial1700000000001 implements MigrationInterface {
  readonly name = 'Initial1700000000001';

  async up(queryRunner: QueryRunner): Promise<void> {
    const isSqlite = queryRunner.dataSource.options.type === 'better-sqlite3';
    const types = isSqlite ? sqliteTypes : mysqlTypes;
    for (const statement of [...topicTables(types), ...messageTables(types), ...deliveryTables(types)]) {
      if (statement.startsWith('CREATE INDEX')) await createIndex(queryRunner, isSqlite, statement);
      else await queryRunner.query(statement);
      reached('migrate.mid');
    }
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    const tables =
      'dead_letter retry lane subscription kept_message scheduled_message message check_attempt transaction audit node producer_stream producer shard_log shard removed_topic topic store';
    for (const table of tables.split(' ')) await queryRunner.query(`DROP TABLE IF EXISTS halfbox_${table}`);
  }
}

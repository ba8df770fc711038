import type { DurabilityReport } from '../message-store.js';
import type { SqlDatabase } from '../sql/database.js';

/** Names of variables and status values, in small letters, to what the server says. */
export type ServerState = ReadonlyMap<string, string>;

const variables = [
  'innodb_flush_log_at_trx_commit',
  'innodb_flush_method',
  'debug_no_sync',
  'log_bin',
  'sync_binlog',
  'wsrep_on',
];

const statusValues = [
  'rpl_semi_sync_master_status',
  'rpl_semi_sync_master_clients',
  'rpl_semi_sync_source_status',
  'rpl_semi_sync_source_clients',
  'wsrep_cluster_size',
  'wsrep_cluster_status',
];

const inList = (names: string[]): string => names.map((name) => `'${name}'`).join(',');

/** Reads what the server does at a COMMIT now. Needs no privilege. */
export async function readMysqlDurability(database: SqlDatabase): Promise<DurabilityReport> {
  const results = await database.read(
    { sql: `SHOW GLOBAL VARIABLES WHERE Variable_name IN (${inList(variables)})` },
    { sql: `SHOW GLOBAL STATUS WHERE Variable_name IN (${inList(statusValues)})` },
  );
  const state = new Map<string, string>();
  for (const { rows } of results) {
    for (const row of rows) state.set(String(row['Variable_name']).toLowerCase(), String(row['Value']));
  }
  return mysqlDurabilityOf(state);
}

/** The level that a server in this state gives. `replicated` includes `flushed`. */
export function mysqlDurabilityOf(state: ServerState): DurabilityReport {
  const unflushed = whatIsNotFlushed(state);
  if (unflushed.length > 0) return { actual: 'relaxed', weakenedBy: unflushed };
  const unreplicated = whyNotReplicated(state);
  if (unreplicated.length > 0) return { actual: 'flushed', weakenedBy: unreplicated };
  return { actual: 'replicated', weakenedBy: [] };
}

const isOn = (value: string | undefined): boolean => value?.toUpperCase() === 'ON' || value === '1';

function whatIsNotFlushed(state: ServerState): string[] {
  const weakenedBy: string[] = [];
  const flush = state.get('innodb_flush_log_at_trx_commit');
  // 3 (MariaDB) flushes as 1 does, and a second time at group commit.
  if (flush !== '1' && flush !== '3') weakenedBy.push(`innodb_flush_log_at_trx_commit=${flush ?? 'unknown'}`);
  const method = state.get('innodb_flush_method');
  if (method !== undefined && /^(nosync|littlesync)$/i.test(method)) weakenedBy.push(`innodb_flush_method=${method}`);
  if (isOn(state.get('debug_no_sync'))) weakenedBy.push('debug_no_sync=ON');
  const syncBinlog = state.get('sync_binlog');
  if (isOn(state.get('log_bin')) && syncBinlog !== '1') weakenedBy.push(`sync_binlog=${syncBinlog ?? 'unknown'}`);
  return weakenedBy;
}

/** Empty where a COMMIT waits for a second server: a semi-synchronous replica, or a Galera cluster of two or more. */
function whyNotReplicated(state: ServerState): string[] {
  if (isOn(state.get('wsrep_on'))) return whyNotGalera(state);
  const kind = state.has('rpl_semi_sync_source_status') ? 'source' : 'master';
  const status = state.get(`rpl_semi_sync_${kind}_status`) ?? 'OFF';
  const clients = Number(state.get(`rpl_semi_sync_${kind}_clients`) ?? 0);
  if (isOn(status) && clients >= 1) return [];
  if (!isOn(status)) return [`rpl_semi_sync_${kind}_status=${status}`];
  return [`rpl_semi_sync_${kind}_clients=${clients}`];
}

function whyNotGalera(state: ServerState): string[] {
  const weakenedBy: string[] = [];
  const size = Number(state.get('wsrep_cluster_size') ?? 0);
  const status = state.get('wsrep_cluster_status') ?? 'unknown';
  if (size < 2) weakenedBy.push(`wsrep_cluster_size=${size}`);
  if (status.toLowerCase() !== 'primary') weakenedBy.push(`wsrep_cluster_status=${status}`);
  return weakenedBy;
}

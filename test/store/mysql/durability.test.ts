import { createConnection, type Connection } from 'mysql2/promise';
import { openStore } from '../../../src/store/open-store.js';
import type { MessageStore } from '../../../src/store/message-store.js';
import { mysqlDurabilityOf } from '../../../src/store/mysql/mysql-durability.js';
import { findProgram } from '../../setup/machine.mjs';
import { mysqlServer } from '../../setup/mysql-server.mjs';
import { openTestStore, sqliteServer } from '../databases.js';

const flushing = { innodb_flush_log_at_trx_commit: '1', log_bin: 'OFF', sync_binlog: '0' };
const levelOf = (state: Record<string, string>) => mysqlDurabilityOf(new Map(Object.entries(state)));

describe('durability as MySQL and MariaDB show it', () => {
  it.each([
    ['a single server that flushes', {}, 'flushed', ['rpl_semi_sync_master_status=OFF']],
    ['MariaDB that flushes twice', { innodb_flush_log_at_trx_commit: '3' }, 'flushed', expect.any(Array)],
    ['no flush at COMMIT', { innodb_flush_log_at_trx_commit: '2' }, 'relaxed', ['innodb_flush_log_at_trx_commit=2']],
    ['a server that says nothing', { innodb_flush_log_at_trx_commit: '' }, 'relaxed', expect.any(Array)],
    ['a binary log that is not flushed', { log_bin: 'ON', sync_binlog: '1000' }, 'relaxed', ['sync_binlog=1000']],
    ['flushing switched off', { innodb_flush_method: 'nosync' }, 'relaxed', ['innodb_flush_method=nosync']],
    [
      'a semi-synchronous replica (MariaDB)',
      { rpl_semi_sync_master_status: 'ON', rpl_semi_sync_master_clients: '1' },
      'replicated',
      [],
    ],
    [
      'a semi-synchronous replica (MySQL 8.4)',
      { rpl_semi_sync_source_status: 'ON', rpl_semi_sync_source_clients: '2' },
      'replicated',
      [],
    ],
    [
      'a semi-synchronous replica that has gone',
      { rpl_semi_sync_source_status: 'ON', rpl_semi_sync_source_clients: '0' },
      'flushed',
      ['rpl_semi_sync_source_clients=0'],
    ],
    [
      'a replica behind a server that does not flush',
      { innodb_flush_log_at_trx_commit: '0', rpl_semi_sync_master_status: 'ON', rpl_semi_sync_master_clients: '1' },
      'relaxed',
      ['innodb_flush_log_at_trx_commit=0'],
    ],
    [
      'a Galera cluster',
      { wsrep_on: 'ON', wsrep_cluster_size: '3', wsrep_cluster_status: 'Primary' },
      'replicated',
      [],
    ],
    [
      'a Galera node by itself',
      { wsrep_on: 'ON', wsrep_cluster_size: '1', wsrep_cluster_status: 'Primary' },
      'flushed',
      ['wsrep_cluster_size=1'],
    ],
    [
      'a Galera node outside the quorum',
      { wsrep_on: 'ON', wsrep_cluster_size: '2', wsrep_cluster_status: 'non-Primary' },
      'flushed',
      ['wsrep_cluster_status=non-Primary'],
    ],
  ])('%s', (_name, change, actual, weakenedBy) => {
    expect(levelOf({ ...flushing, ...change })).toEqual({ actual, weakenedBy });
  });
});

/** A server of this suite's own, whose global variables it may set. */
interface PrivateServer {
  url: string;
  root: Connection;
  stop: () => Promise<void>;
}

const program = findProgram(mysqlServer.programs);

async function startServer(...more: string[]): Promise<PrivateServer> {
  if (program === null) throw new Error(`there is no ${mysqlServer.programs.join(' or ')} on this machine`);
  const server = await mysqlServer.startProgram(program, more);
  return { ...server, root: await createConnection(server.url) };
}

async function stopServer(server: PrivateServer | undefined): Promise<void> {
  await server?.root.end();
  await server?.stop();
}

/** How MariaDB and MySQL say the same. */
interface ReplicationWords {
  enableSource: string[];
  enableReplica: string[];
  follow: (port: string) => string[];
  stopFollowing: string;
}

const mariadbWords: ReplicationWords = {
  enableSource: ['SET GLOBAL rpl_semi_sync_master_enabled = ON'],
  enableReplica: ['SET GLOBAL rpl_semi_sync_slave_enabled = ON'],
  follow: (port) => [
    `CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=${port}, MASTER_USER='root', MASTER_USE_GTID=slave_pos`,
    'START SLAVE',
  ],
  stopFollowing: 'STOP SLAVE',
};

const mysqlWords: ReplicationWords = {
  enableSource: [
    "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'",
    'SET GLOBAL rpl_semi_sync_source_enabled = ON',
  ],
  enableReplica: [
    "INSTALL PLUGIN rpl_semi_sync_replica SONAME 'semisync_replica.so'",
    'SET GLOBAL rpl_semi_sync_replica_enabled = ON',
  ],
  follow: (port) => [
    `CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=${port}, SOURCE_USER='root', GET_SOURCE_PUBLIC_KEY=1`,
    'START REPLICA',
  ],
  stopFollowing: 'STOP REPLICA',
};

// Where servers come from elsewhere (a URL, a container engine) there is none whose global settings may be changed.
if (program === null)
  console.warn(`durability of a running server: not run, ${mysqlServer.programs.join(' or ')} is not here`);
else
  describe('durability of a server that runs', () => {
    let source: PrivateServer;
    let store: MessageStore;

    beforeAll(async () => {
      source = await startServer('--log-bin', '--server-id=1', '--sync-binlog=1', '--binlog-format=ROW');
      const url = new URL(source.url);
      url.pathname = '/durable';
      store = await openStore(url.href);
    }, 120_000);
    afterAll(async () => {
      await store.close();
      await stopServer(source);
    });

    it('follows what the server is set to', async () => {
      expect((await store.durability()).actual).toBe('flushed');
      await source.root.query('SET GLOBAL innodb_flush_log_at_trx_commit = 2');
      expect(await store.durability()).toEqual({ actual: 'relaxed', weakenedBy: ['innodb_flush_log_at_trx_commit=2'] });
      await source.root.query('SET GLOBAL innodb_flush_log_at_trx_commit = 1');
      await source.root.query('SET GLOBAL sync_binlog = 0');
      expect(await store.durability()).toEqual({ actual: 'relaxed', weakenedBy: ['sync_binlog=0'] });
      await source.root.query('SET GLOBAL sync_binlog = 1');
      expect((await store.durability()).actual).toBe('flushed');
    });

    it('is replicated while a semi-synchronous replica confirms', async () => {
      const words = store.description.startsWith('MariaDB') ? mariadbWords : mysqlWords;
      const replica = await startServer('--server-id=2');
      try {
        for (const sql of words.enableSource) await source.root.query(sql);
        for (const sql of [...words.enableReplica, ...words.follow(new URL(source.url).port)]) {
          await replica.root.query(sql);
        }
        await until(async () => (await store.durability()).actual === 'replicated');
        await replica.root.query(words.stopFollowing);
        await until(async () => (await store.durability()).actual === 'flushed');
      } finally {
        await stopServer(replica);
      }
    }, 120_000);
  });

it('SQLite flushes each commit', async () => {
  const { store, close } = await openTestStore(sqliteServer);
  expect(await store.durability()).toEqual({ actual: 'flushed', weakenedBy: [] });
  await close();
});

/** Asks until it is so; fails after 20 s. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error('it did not come to be within 20 s');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

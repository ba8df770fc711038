import type { NodeRow, NodeStore } from '../node-store.js';
import type { SqlDatabase } from './database.js';
import { listLiveNodes } from './list-live-nodes.js';
import { removeExpiredNodes } from './remove-expired-nodes.js';
import { storeIdentity } from './store-identity.js';

/** The broker processes on any SQL database: one row each. */
export class SqlNodeStore implements NodeStore {
  constructor(private readonly database: SqlDatabase) {}

  async renew(node: NodeRow): Promise<void> {
    const { dialect } = this.database;
    await this.database.transaction((session) =>
      session.finish({
        sql: `INSERT INTO halfbox_node (id, url, version, started_at, expires_at) VALUES (?, ?, ?, ?, ?)
          ${dialect.onConflictUpdate(['id'], ['url', 'version', 'started_at', 'expires_at'])}`,
        params: [node.id, node.url, node.version, node.startedAt, node.expiresAt],
      }),
    );
  }

  async remove(id: string): Promise<void> {
    await this.database.transaction((session) =>
      session.finish(
        { sql: 'DELETE FROM halfbox_producer_stream WHERE node_id = ?', params: [id] },
        { sql: 'DELETE FROM halfbox_node WHERE id = ?', params: [id] },
      ),
    );
  }

  live(now: number): Promise<(NodeRow & { subscriptions: number })[]> {
    return listLiveNodes(this.database, now);
  }

  removeExpired(before: number): Promise<void> {
    return removeExpiredNodes(this.database, before);
  }

  identity(): Promise<{ storeId: string; nodeSecret: string }> {
    return storeIdentity(this.database);
  }
}

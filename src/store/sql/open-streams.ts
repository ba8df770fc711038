import type { ProducerStream } from '../stream-store.js';
import type { SqlDatabase } from './database.js';
import { MultiRowInsert } from './multi-row-insert.js';
import { inKeyOrder } from './close-streams.js';

const keyColumns = ['producer', 'instance', 'node_id'];

/** Stores open streams; see `StreamStore.open`. */
export async function openStreams(
  database: SqlDatabase,
  streams: readonly ProducerStream[],
  now: number,
): Promise<void> {
  if (streams.length === 0) return;
  const keep = database.dialect.onConflictKeep(keyColumns);
  const columns = [...keyColumns, 'connected_at'].join(',');
  const insert = new MultiRowInsert('halfbox_producer_stream', columns, database.statementBytesMax, ` ${keep}`);
  for (const { producer, instance, nodeId } of inKeyOrder(streams)) insert.row(0).push(producer, instance, nodeId, now);
  const statements = insert.statements();
  await database.transaction((session) => session.finish(...statements));
}

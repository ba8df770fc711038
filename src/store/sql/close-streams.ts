import type { ProducerStream } from '../stream-store.js';
import type { SqlDatabase } from './database.js';

/** Streams of one statement at most. */
const streamsMax = 200;

/** Forgets streams; see `StreamStore.close`. */
export async function closeStreams(database: SqlDatabase, streams: readonly ProducerStream[]): Promise<void> {
  const sorted = inKeyOrder(streams);
  for (let start = 0; start < sorted.length; start += streamsMax) {
    const batch = sorted.slice(start, start + streamsMax);
    const keys = Array(batch.length).fill('(producer = ? AND instance = ? AND node_id = ?)').join(' OR ');
    const params = batch.flatMap(({ producer, instance, nodeId }) => [producer, instance, nodeId]);
    await database.transaction((session) =>
      session.finish({ sql: `DELETE FROM halfbox_producer_stream WHERE ${keys}`, params }),
    );
  }
}

/** Two callers that share streams wait for each other in this order, and do not deadlock. */
export function inKeyOrder(streams: readonly ProducerStream[]): ProducerStream[] {
  const keyOf = ({ producer, instance, nodeId }: ProducerStream) => `${producer} ${instance} ${nodeId}`;
  return streams.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

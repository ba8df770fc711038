import type { LiveStream, ProducerStream, StreamStore } from '../stream-store.js';
import { closeStreams } from './close-streams.js';
import type { SqlDatabase } from './database.js';
import { findStreams } from './find-streams.js';
import { newestStreams } from './newest-streams.js';
import { openStreams } from './open-streams.js';

/** The streams of producers on any SQL database. */
export class SqlStreamStore implements StreamStore {
  constructor(private readonly database: SqlDatabase) {}

  open(streams: readonly ProducerStream[], now: number): Promise<void> {
    return openStreams(this.database, streams, now);
  }

  close(streams: readonly ProducerStream[]): Promise<void> {
    return closeStreams(this.database, streams);
  }

  find(producer: string, instance: string | undefined, now: number, limit: number): Promise<LiveStream[]> {
    return findStreams(this.database, producer, instance, now, limit);
  }

  newest(producers: readonly string[], now: number): Promise<Map<string, number>> {
    return newestStreams(this.database, producers, now);
  }
}

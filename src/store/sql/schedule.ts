import type { LogChunk } from '../../message/ref.js';
import type { ScheduleStore } from '../schedule-store.js';
import { appendDue } from './append-due.js';
import type { SqlDatabase } from './database.js';
import { recallMessage } from './recall.js';
import { TopicShards } from './topic-shards.js';

export class SqlScheduleStore implements ScheduleStore {
  private readonly topics = new TopicShards();
  private turn = Math.floor(Math.random() * 256);

  constructor(private readonly database: SqlDatabase) {}

  appendDue(now: number, limit: number): Promise<LogChunk[]> {
    return appendDue(this.database, this.topics, this.turn++, now, limit);
  }

  async nextDueAt(): Promise<number | null> {
    const [found] = await this.database.read({ sql: 'SELECT MIN(due_at) AS due_at FROM halfbox_scheduled_message' });
    const dueAt: unknown = found?.rows[0]?.['due_at'];
    return dueAt === null || dueAt === undefined ? null : Number(dueAt);
  }

  recall(messageId: string, now: number): Promise<'recalled' | 'not-recallable' | 'message-not-found'> {
    return recallMessage(this.database, messageId, now);
  }
}

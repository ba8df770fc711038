import type { LogChunk } from '../../../src/message/ref.js';
import type { ScheduleStore } from '../../../src/store/schedule-store.js';
import { Appending } from './half.js';
import { byText, type Tables } from './tables.js';

/** Delayed messages over maps. */
export class ModelScheduleStore implements ScheduleStore {
  constructor(
    private readonly tables: Tables,
    private turn = 0,
  ) {}

  async appendDue(now: number, limit: number): Promise<LogChunk[]> {
    const due = [...this.tables.scheduled]
      .filter(([, { dueAt }]) => dueAt <= now)
      .sort(([idA, a], [idB, b]) => a.dueAt - b.dueAt || byText(idA, idB))
      .slice(0, limit);
    const appending = new Appending(this.tables, this.turn++);
    for (const [id, { topic, ref }] of due) {
      this.tables.scheduled.delete(id);
      const row = this.tables.messages.get(id);
      if (!this.tables.topics.has(topic)) this.tables.messages.delete(id);
      else {
        const placement = appending.append(topic, ref);
        if (row) row.placement = placement;
      }
    }
    return appending.finish(now);
  }

  async nextDueAt(): Promise<number | null> {
    let next: number | null = null;
    for (const { dueAt } of this.tables.scheduled.values()) if (next === null || dueAt < next) next = dueAt;
    return next;
  }

  async recall(messageId: string, now: number): Promise<'recalled' | 'not-recallable' | 'message-not-found'> {
    const row = this.tables.messages.get(messageId);
    if (row === undefined) return 'message-not-found';
    if (row.recalledAt !== undefined) return 'recalled';
    if (row.dueAt === undefined || row.placement !== undefined || row.dueAt <= now) return 'not-recallable';
    if (!this.tables.scheduled.delete(messageId)) return 'not-recallable';
    row.recalledAt = now;
    const topic = this.tables.topics.get(row.stored.topic);
    if (topic) this.tables.kept.set(messageId, { storedAt: row.stored.storedAt, recheckAt: now + topic.retentionMs });
    return 'recalled';
  }
}

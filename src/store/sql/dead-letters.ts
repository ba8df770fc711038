import type { Page } from '../catalog-store.js';
import type { DeadLetter, DeadLetterSelection, DeadLetterStore } from '../dead-letter-store.js';
import type { SqlDatabase } from './database.js';
import { discard } from './discard.js';
import { listDeadLetters } from './list-dead-letters.js';
import { redrive } from './redrive.js';

/** Dead letters on any SQL database. */
export class SqlDeadLetterStore implements DeadLetterStore {
  constructor(private readonly database: SqlDatabase) {}

  list(
    filter: { topic?: string; group?: string },
    after: string | undefined,
    limit: number,
  ): Promise<Page<DeadLetter>> {
    return listDeadLetters(this.database, filter, after, limit);
  }

  redrive(
    selection: DeadLetterSelection,
    now: number,
    limit: number,
  ): Promise<{ count: number; subscriptions: { topic: string; group: string }[] }> {
    return redrive(this.database, selection, now, limit);
  }

  discard(
    selection: DeadLetterSelection,
    limit: number,
  ): Promise<{ count: number; subscriptions: { topic: string; group: string }[] }> {
    return discard(this.database, selection, limit);
  }
}

import type { DeadLetter } from '../dead-letter-store.js';
import { textOf, type SqlRow } from './database.js';

/** Maps a dead letter with its message's key as `message_key`, which is null where the message is gone. */
export function deadLetterOf(row: SqlRow): DeadLetter {
  const letter: DeadLetter = {
    id: textOf(row['id']),
    topic: textOf(row['topic']),
    group: textOf(row['consumer_group']),
    messageId: textOf(row['message_id']),
    shard: Number(row['shard']),
    offset: Number(row['log_offset']),
    attempts: Number(row['attempts']),
    error: textOf(row['error']),
    firstFailedAt: Number(row['first_failed_at']),
    diedAt: Number(row['died_at']),
  };
  if (row['message_key'] !== null) letter.key = textOf(row['message_key']);
  if (row['tag'] !== null) letter.tag = textOf(row['tag']);
  return letter;
}

import type { MessageRef } from '../../message/ref.js';
import type { RetryEntry, RetryState } from '../lane-store.js';
import { textOf, type SqlRow, type SqlValue } from './database.js';

/** The numbers that stand for the states of a retry in its row. */
export const retryStateCode = { due: 0, given: 1, waiting_for_key: 2 } as const satisfies Record<RetryState, number>;

const retryStates: RetryState[] = ['due', 'given', 'waiting_for_key'];

export function retryStateOf(code: unknown): RetryState {
  const state = retryStates[Number(code)];
  if (!state) throw new Error(`halfbox_retry holds an unknown state ${String(code)}`);
  return state;
}

/** The columns that {@link retryEntryOf} reads. */
export const retryColumns =
  'shard, log_offset, message_id, tag, key_hash, state, attempt, due_at, error, first_failed_at';

export function retryEntryOf(row: SqlRow): RetryEntry {
  const entry: RetryEntry = {
    shard: Number(row['shard']),
    offset: Number(row['log_offset']),
    ref: refOf(row),
    state: retryStateOf(row['state']),
    attempt: Number(row['attempt']),
    dueAt: Number(row['due_at']),
  };
  if (row['error'] !== null) entry.error = textOf(row['error']);
  if (row['first_failed_at'] !== null) entry.firstFailedAt = Number(row['first_failed_at']);
  return entry;
}

/** The values of {@link retryColumns}. */
export function retryValues(entry: RetryEntry): SqlValue[] {
  return [
    entry.shard,
    entry.offset,
    entry.ref.id,
    entry.ref.tag,
    entry.ref.keyHash,
    retryStateCode[entry.state],
    entry.attempt,
    entry.dueAt,
    entry.error,
    entry.firstFailedAt,
  ];
}

function refOf(row: SqlRow): MessageRef {
  const ref: MessageRef = { id: textOf(row['message_id']) };
  if (row['tag'] !== null) ref.tag = textOf(row['tag']);
  if (row['key_hash'] !== null) ref.keyHash = textOf(row['key_hash']);
  return ref;
}

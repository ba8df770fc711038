import type { StoredMessage } from '../../message/message.js';
import { bytesOf, textOf, type SqlRow } from './database.js';

/** The numbers that stand for the kind of a body in its row. */
export const bodyKind = { json: 0, bytes: 1 } as const;

/** The columns that {@link storedMessageOf} reads. */
export const messageColumns =
  'id, topic, message_key, tag, ordering_key, headers, content_type, transaction_id, stored_at, delay_ms, deliver_at, body_kind, body';

export function storedMessageOf(row: SqlRow): StoredMessage {
  const body = bytesOf(row['body']);
  const message: StoredMessage = {
    id: textOf(row['id']),
    topic: textOf(row['topic']),
    storedAt: Number(row['stored_at']),
    body: Number(row['body_kind']) === bodyKind.json ? { json: body.toString('utf8') } : { bytes: body },
  };
  if (row['message_key'] !== null) message.key = textOf(row['message_key']);
  if (row['tag'] !== null) message.tag = textOf(row['tag']);
  if (row['ordering_key'] !== null) message.orderingKey = textOf(row['ordering_key']);
  if (row['headers'] !== null) message.headers = JSON.parse(textOf(row['headers'])) as Record<string, string>;
  if (row['content_type'] !== null) message.contentType = textOf(row['content_type']);
  if (row['transaction_id'] !== null) message.transactionId = textOf(row['transaction_id']);
  if (row['delay_ms'] !== null) message.delayMs = Number(row['delay_ms']);
  if (row['deliver_at'] !== null) message.deliverAt = Number(row['deliver_at']);
  return message;
}

import { bodyBytes, type IdentifiedMessage } from '../../message/message.js';
import { bodyKind } from './message-row.js';
import { MultiRowInsert } from './multi-row-insert.js';

const columns =
  'id,topic,message_key,tag,ordering_key,headers,content_type,transaction_id,stored_at,delay_ms,deliver_at,due_at,shard,log_offset,body_kind,body';

/** What is known about a message beside its content when its row is written. */
export interface MessageFate {
  transactionId?: string;
  /** Set for one that waits for its time. */
  dueAt?: number | undefined;
  /** Set for one that is visible at once. */
  placement?: { shard: number; offset: number } | undefined;
}

/** Gathers the rows of messages; a body is written here once and never moved. */
export class MessageInsert {
  readonly #insert: MultiRowInsert;

  constructor(
    statementBytesMax: number,
    private readonly storedAt: number,
  ) {
    this.#insert = new MultiRowInsert('halfbox_message', columns, statementBytesMax);
  }

  add(message: IdentifiedMessage, { transactionId, dueAt, placement }: MessageFate): void {
    const { body } = message;
    const headers = message.headers ? JSON.stringify(message.headers) : null;
    const { key = '', tag = '', orderingKey = '', contentType = '' } = message;
    // A character has three bytes of UTF-8 at most (one of four counts as two).
    const shortBytes = 3 * (key.length + tag.length + orderingKey.length + contentType.length);
    this.#insert
      .row(bodyBytes(body) + shortBytes + (headers === null ? 0 : Buffer.byteLength(headers)))
      .push(
        message.id,
        message.topic,
        message.key,
        message.tag,
        message.orderingKey,
        headers,
        message.contentType,
        transactionId,
        this.storedAt,
        message.delayMs,
        message.deliverAt,
        dueAt,
        placement?.shard,
        placement?.offset,
        body.json !== undefined ? bodyKind.json : bodyKind.bytes,
        body.json ?? body.bytes,
      );
  }

  statements() {
    return this.#insert.statements();
  }
}

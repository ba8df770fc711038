import { orderingKeyHash } from '../../message/ordering-key.js';
import type { PrepareItem } from '../half-store.js';
import type { Statement } from './database.js';
import { MultiRowInsert } from './multi-row-insert.js';
import { emptyPlacements, packTransactionRefs } from './transaction-row.js';

/** The others have the defaults of a prepared transaction. */
const columns = 'id,producer,due_at,prepared_at,first_check_at,message_refs,placements,instance';

/** The rows of the half store for new transactions. A plain INSERT: an id that is there already fails the statement. */
export function insertTransactions(items: PrepareItem[], now: number, statementBytesMax: number): Statement[] {
  const insert = new MultiRowInsert('halfbox_transaction', columns, statementBytesMax);
  for (const { transactionId, producer, messages, firstCheckAfterMs, instance } of items) {
    const refs = packTransactionRefs(
      messages.map(({ id, topic, tag, orderingKey, delayMs, deliverAt }) => ({
        id,
        topic,
        tag,
        keyHash: orderingKey === undefined ? undefined : orderingKeyHash(orderingKey),
        delayMs,
        deliverAt,
      })),
    );
    const dueAt = now + firstCheckAfterMs;
    const placements = emptyPlacements(messages.length);
    insert
      .row(refs.length + placements.length)
      .push(transactionId, producer, dueAt, now, dueAt, refs, placements, instance);
  }
  return insert.statements();
}

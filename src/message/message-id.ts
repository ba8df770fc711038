import { v7 } from 'uuid';

/** A new id for a message or a transaction: UUIDv7 (RFC 9562 §5.7), so that new rows land at the end of the primary key. */
export function newId(): string {
  return v7();
}

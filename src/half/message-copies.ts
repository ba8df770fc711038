import type { IdentifiedMessage, NewMessage, StoredMessage } from '../message/message.js';

// Written out member by member: a spread that adds or overrides members costs more than all else that is done with a message here.

/** A message as it goes to the store. */
export function identifiedAs(id: string, message: NewMessage): IdentifiedMessage {
  return {
    id,
    idGiven: message.id !== undefined,
    topic: message.topic,
    key: message.key,
    tag: message.tag,
    orderingKey: message.orderingKey,
    headers: message.headers,
    delayMs: message.delayMs,
    deliverAt: message.deliverAt,
    contentType: message.contentType,
    body: message.body,
  };
}

/** A message as it would be read back from the store. */
export function storedAt(time: number, message: IdentifiedMessage, transactionId?: string): StoredMessage {
  return {
    id: message.id,
    transactionId,
    storedAt: time,
    topic: message.topic,
    key: message.key,
    tag: message.tag,
    orderingKey: message.orderingKey,
    headers: message.headers,
    delayMs: message.delayMs,
    deliverAt: message.deliverAt,
    contentType: message.contentType,
    body: message.body,
  };
}

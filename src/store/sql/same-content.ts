import { isDeepStrictEqual } from 'node:util';
import type { IdentifiedMessage, MessageBody, StoredMessage } from '../../message/message.js';

/** Whether a message that was sent again is what is stored. Its id counts only where its sender chose it. */
export function isSameMessage(sent: IdentifiedMessage, stored: StoredMessage): boolean {
  return (
    (!sent.idGiven || sent.id === stored.id) &&
    sent.topic === stored.topic &&
    sent.key === stored.key &&
    sent.tag === stored.tag &&
    sent.orderingKey === stored.orderingKey &&
    sent.contentType === stored.contentType &&
    sent.delayMs === stored.delayMs &&
    sent.deliverAt === stored.deliverAt &&
    isDeepStrictEqual({ ...sent.headers }, { ...stored.headers }) &&
    isSameBody(sent.body, stored.body)
  );
}

/** JSON is compared by value: white space and the order of an object's members do not make another message. */
function isSameBody(sent: MessageBody, stored: MessageBody): boolean {
  if (sent.json === undefined || stored.json === undefined) {
    return sent.bytes !== undefined && stored.bytes !== undefined && sent.bytes.equals(stored.bytes);
  }
  return sent.json === stored.json || isDeepStrictEqual(JSON.parse(sent.json), JSON.parse(stored.json));
}

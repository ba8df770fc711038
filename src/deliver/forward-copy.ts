import { v5 } from 'uuid';
import type { NewMessage, StoredMessage } from '../message/message.js';

/** Header of a forwarded copy: the id of the message that it is a copy of. */
export const originIdHeader = 'halfbox-origin-id';

/** Header of a forwarded copy: how many times its content has been forwarded. */
export const hopsHeader = 'halfbox-hops';

/** Copies of copies end here: loops are refused when a subscription is put, but two put at once can make one. */
export const hopsMax = 16;

/** Namespace of the ids of forwarded copies (RFC 9562 §5.5); part of the contract, as copies must keep their ids. */
const copyNamespace = '5c1bb5b2-0d3c-5d0a-9d0b-6e6f1f0a7c11';

/** The id of the copy that a subscription makes of a message: always the same one, so that a repeat is no duplicate. */
export function copyId(topic: string, group: string, messageId: string): string {
  return v5(`${topic}/${group}/${messageId}`, copyNamespace);
}

/** How often the content was forwarded before. */
export function hopsOf({ headers }: StoredMessage): number {
  const hops = Number(headers?.[hopsHeader] ?? 0);
  return Number.isSafeInteger(hops) && hops > 0 ? hops : 0;
}

/** The copy of a message for another topic, with its key, tag and ordering key. A delay is not waited again. */
export function forwardCopy(topic: string, group: string, message: StoredMessage, target: string): NewMessage {
  const { key, tag, orderingKey, contentType, body } = message;
  const headers = {
    ...message.headers,
    [originIdHeader]: message.id,
    [hopsHeader]: String(hopsOf(message) + 1),
  };
  const copy: NewMessage = { id: copyId(topic, group, message.id), topic: target, headers, body };
  if (key !== undefined) copy.key = key;
  if (tag !== undefined) copy.tag = tag;
  if (orderingKey !== undefined) copy.orderingKey = orderingKey;
  if (contentType !== undefined) copy.contentType = contentType;
  return copy;
}

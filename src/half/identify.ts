import { bounds } from '../message/bounds.js';
import { newId } from '../message/message-id.js';
import { bodyBytes, type IdentifiedMessage, type NewMessage } from '../message/message.js';
import { Problem } from '../message/problem.js';
import type { Topic } from '../store/catalog-store.js';
import { identifiedAs } from './message-copies.js';

/** What a stored row costs beside its body and headers, for the bounds of batches. */
const rowOverheadBytes = 512;

/**
 * Gives every message its id and checks it against its topic: `body-too-large` over the topic's bound,
 * `validation-failed` for an id that occurs twice or a delivery time too far away.
 * @returns the messages and their size in bytes as a batch counts it
 */
export function identify(
  messages: NewMessage[],
  topics: Map<string, Topic>,
  now: number,
): { messages: IdentifiedMessage[]; bytes: number } {
  let bytes = 0;
  const seen = messages.length > 1 ? new Set<string>() : null;
  const identified = messages.map((message, index): IdentifiedMessage => {
    const size = bodyBytes(message.body);
    const { bodyBytesMax } = topics.get(message.topic)!;
    if (size > bodyBytesMax) {
      throw new Problem(
        'body-too-large',
        `messages.${index}: ${size} bytes, topic ${message.topic} takes ${bodyBytesMax}`,
      );
    }
    if (message.deliverAt !== undefined && message.deliverAt - now > bounds.delayMsMax) {
      const fields = [{ path: `messages.${index}.deliverAt`, reason: 'more than 365 days away' }];
      throw new Problem('validation-failed', 'a message is to be delivered too late', { fields });
    }
    const id = message.id ?? newId();
    if (seen?.has(id)) {
      const fields = [{ path: `messages.${index}.id`, reason: 'occurs twice' }];
      throw new Problem('validation-failed', 'two messages have the same id', { fields });
    }
    seen?.add(id);
    bytes += size + rowOverheadBytes + (message.headers ? bounds.headersBytesMax / 16 : 0);
    return identifiedAs(id, message);
  });
  return { messages: identified, bytes };
}

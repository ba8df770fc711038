import { createHash } from 'node:crypto';
import { groupPattern, idPattern, topicPattern } from '../../../message/names.js';

/** What an inbox needs of a message. */
export interface InboxMessage {
  id: string;
  topic: string;
}

export interface OnceOptions {
  /**
   * A business key instead of the message's id, 1..1,000 characters, for producers that send one thing under two ids. It is
   * kept apart by topic.
   */
  key?: string | undefined;
}

const keyLengthMax = 1_000;
/** Kept readable; others as a hash, since nobody knows what a connection to the database can carry. */
const plainKeyPattern = /^[A-Za-z0-9_.:/@#-]{1,64}$/;

/**
 * What names a message, or a business key, of a topic within a group: up to 200 ASCII characters. The same id in another topic
 * is another message: a broker takes it there once it has forgotten the first. @throws TypeError
 */
export function doneKey(group: string, { id, topic }: InboxMessage, { key }: OnceOptions): string {
  if (!groupPattern.test(group)) throw new TypeError(`group ${group} does not match ${groupPattern}`);
  if (!topicPattern.test(topic)) throw new TypeError(`topic ${topic} does not match ${topicPattern}`);
  // A topic has no slash in it, so that no two pairs look the same.
  if (key === undefined) {
    if (!idPattern.test(id)) throw new TypeError(`id ${id} does not match ${idPattern}`);
    return `id:${topic}/${id}`;
  }
  if (typeof key !== 'string' || key.length === 0 || key.length > keyLengthMax) {
    throw new TypeError(`a key has 1 to ${keyLengthMax} characters`);
  }
  if (plainKeyPattern.test(key)) return `key:${topic}/${key}`;
  return `sha256:${createHash('sha256').update(`${topic}/${key}`).digest('base64url')}`;
}

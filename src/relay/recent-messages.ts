import { LRUCache } from 'lru-cache';
import type { StoredMessage } from '../message/message.js';

/** What a message takes in memory beside its body, about. */
const overheadBytes = 512;

function bytesOf({ body, headers }: StoredMessage): number {
  // A JSON text counts twice: strings beyond Latin-1 take two bytes a character.
  let bytes = overheadBytes + (body.json !== undefined ? body.json.length * 2 : body.bytes.length);
  for (const name in headers) bytes += (name.length + headers[name]!.length) * 2;
  return bytes;
}

/** Messages that this node has just stored or read, bounded in bytes and age, so that giving them out needs no read. */
export class RecentMessages {
  readonly #cache: LRUCache<string, StoredMessage>;

  constructor(bounds: { recentBytesMax: number; recentMs: number }) {
    this.#cache = new LRUCache({
      maxSize: bounds.recentBytesMax,
      // Nothing that takes a large part of the whole: it would push out everything else.
      maxEntrySize: Math.max(1, Math.floor(bounds.recentBytesMax / 8)),
      sizeCalculation: bytesOf,
      ttl: bounds.recentMs,
      ttlResolution: 1_000,
    });
  }

  /** Messages as they are in the store, after that is durable. */
  remember(messages: Iterable<StoredMessage>): void {
    for (const message of messages) this.#cache.set(message.id, message);
  }

  get(id: string): StoredMessage | undefined {
    return this.#cache.get(id);
  }
}

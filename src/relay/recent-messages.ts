import type { Clock } from '../message/clock.js';
import type { StoredMessage } from '../message/message.js';

/** What a message takes in memory beside its body, about. */
const overheadBytes = 512;

function bytesOf({ body, headers }: StoredMessage): number {
  // A JSON text counts twice: strings beyond Latin-1 take two bytes a character.
  let bytes = overheadBytes + (body.json !== undefined ? body.json.length * 2 : body.bytes.length);
  for (const name in headers) bytes += (name.length + headers[name]!.length) * 2;
  return bytes;
}

/**
 * Messages that this node has just stored or read, bounded in bytes and age, so that giving them out needs no read.
 * They are kept in two generations of half the bounds each, and the older one goes as a whole: an exact order of use
 * would cost more for each message than most of them are worth.
 */
export class RecentMessages {
  #young = new Map<string, StoredMessage>();
  #old = new Map<string, StoredMessage>();
  #youngBytes = 0;
  #youngSince = 0;

  constructor(
    private readonly bounds: { recentBytesMax: number; recentMs: number },
    private readonly clock: Clock,
  ) {}

  /** Messages as they are in the store, after that is durable. */
  remember(messages: Iterable<StoredMessage>): void {
    this.#age();
    const { recentBytesMax } = this.bounds;
    for (const message of messages) {
      const bytes = bytesOf(message);
      // Nothing that takes a large part of the whole: it would push out everything else.
      if (bytes > recentBytesMax / 8) continue;
      if (this.#youngBytes + bytes > recentBytesMax / 2) this.#turn();
      this.#youngBytes += bytes;
      this.#young.set(message.id, message);
    }
  }

  get(id: string): StoredMessage | undefined {
    return this.#young.get(id) ?? this.#old.get(id);
  }

  /** As {@link get}, for its last reader: a message that is let go soon after it came costs the garbage collector nothing. */
  take(id: string): StoredMessage | undefined {
    const message = this.get(id);
    if (message !== undefined && !this.#young.delete(id)) this.#old.delete(id);
    return message;
  }

  #age(): void {
    const now = this.clock.now();
    const ageMs = now - this.#youngSince;
    if (ageMs < this.bounds.recentMs / 2) return;
    this.#turn();
    // Nothing was remembered for a whole age: what is old by now was young then.
    if (ageMs >= this.bounds.recentMs) this.#old = new Map();
    this.#youngSince = now;
  }

  #turn(): void {
    this.#old = this.#young;
    this.#young = new Map();
    this.#youngBytes = 0;
    this.#youngSince = this.clock.now();
  }
}

import { ReadyQueue } from './ready-queue.js';
import type { TrackedDelivery } from './tracked-delivery.js';

/** No delivery of the key is under way; one waits in the retry store until the log below it has been read again. */
const waiting = -1;
/** The store is being asked which delivery of the key comes next. */
const asking = -2;

interface KeyState {
  /** Offset of the delivery that has the key, or `waiting`, or `asking`. */
  holder: number;
  held: ReadyQueue<TrackedDelivery> | null;
  /** No delivery of the key with a lower offset waits in the retry store (the holder aside); Infinity: none at all. */
  storedFrom: number;
}

/** Who has the key next: a delivery from memory, whoever the store names, or nobody. */
export type NextOfKey = TrackedDelivery | 'ask-store' | null;

/**
 * One delivery per ordering key at a time, in offset order. A key is busy from the moment its first delivery is read
 * until that one is acked or dead; a retry keeps it. Later deliveries wait in memory, or in the retry store.
 */
export class OrderGate {
  readonly #keys = new Map<string, KeyState>();
  readonly #blocked = new Map<string, { shard: number; offset: number }>();

  /** Busy keys. */
  get size(): number {
    return this.#keys.size;
  }

  /** Whether this delivery may go ahead; it then has the key. Also true for the one that has it already. */
  enter(keyHash: string, offset: number): boolean {
    const key = this.#keys.get(keyHash);
    if (key === undefined) {
      this.#keys.set(keyHash, { holder: offset, held: null, storedFrom: Infinity });
      return true;
    }
    if (key.holder === offset) {
      this.#blocked.delete(keyHash);
      return true;
    }
    if (key.holder !== waiting || offset >= key.storedFrom) return false;
    key.holder = offset;
    return true;
  }

  /** Offset of the delivery that has a busy key; null while that is being found out. */
  holderOf(keyHash: string): number | null {
    const { holder } = this.#get(keyHash);
    return holder < 0 ? null : holder;
  }

  /** Keeps a delivery of a busy key in memory. Deliveries of one key must come in offset order. */
  hold(keyHash: string, delivery: TrackedDelivery): void {
    (this.#get(keyHash).held ??= new ReadyQueue()).push(delivery);
  }

  /** A delivery of a busy key waits in the retry store. */
  stored(keyHash: string, offset: number): void {
    const key = this.#get(keyHash);
    key.storedFrom = Math.min(key.storedFrom, offset);
  }

  /** A takeover found this delivery with a consumer, or due for a retry: it has the key. */
  inherit(keyHash: string, offset: number): void {
    this.#keys.set(keyHash, { holder: offset, held: null, storedFrom: offset + 1 });
  }

  /** A takeover found this one waiting in the retry store. Deliveries of the log below it go first. */
  inheritWaiting(keyHash: string, offset: number): void {
    this.#keys.set(keyHash, { holder: waiting, held: null, storedFrom: offset });
  }

  /** The log below an inherited waiting delivery has been read: true when nothing of the key was found there. */
  askIfWaiting(keyHash: string): boolean {
    const key = this.#keys.get(keyHash);
    if (key?.holder !== waiting) return false;
    this.#ask(key);
    return true;
  }

  /** The delivery that has the key is a dead letter, and keeps it. */
  block(keyHash: string, shard: number, offset: number): void {
    if (this.#keys.get(keyHash)?.holder === offset) this.#blocked.set(keyHash, { shard, offset });
  }

  /** Keys that a dead letter blocks, and where it lies. */
  blocked(): { keyHash: string; shard: number; offset: number }[] {
    return [...this.#blocked].map(([keyHash, place]) => ({ keyHash, ...place }));
  }

  isBlocked(keyHash: string): boolean {
    return this.#blocked.has(keyHash);
  }

  isBusy(keyHash: string): boolean {
    return this.#keys.has(keyHash);
  }

  /** The delivery is settled: passes its key on. Null also when it did not have the key. */
  leave(keyHash: string, offset: number): NextOfKey {
    const key = this.#keys.get(keyHash);
    if (key === undefined || key.holder !== offset) return null;
    this.#blocked.delete(keyHash);
    return this.#next(keyHash, key);
  }

  /**
   * Takes the store's answer to `ask-store`.
   * @param storedOffset offset of the key's lowest delivery in the retry store; null: none
   * @param readOffset up to where the log was read: beyond it, there may be deliveries of the key that go first
   * @returns `stored` when that one has the key now; `read-first` when that can only be said once the log below it was
   *   read, see {@link askIfWaiting}; otherwise as {@link leave}
   */
  answer(keyHash: string, storedOffset: number | null, readOffset: number): NextOfKey | 'stored' | 'read-first' {
    const key = this.#get(keyHash);
    if (storedOffset === null) return this.#next(keyHash, key);
    const head = key.held?.peek();
    if (head !== undefined && head.offset < storedOffset) {
      key.storedFrom = Math.min(key.storedFrom, storedOffset);
      return this.#next(keyHash, key);
    }
    if (storedOffset > readOffset) {
      key.holder = waiting;
      key.storedFrom = Math.min(key.storedFrom, storedOffset);
      return 'read-first';
    }
    key.holder = storedOffset;
    key.storedFrom = Math.min(key.storedFrom, storedOffset + 1);
    return 'stored';
  }

  #next(keyHash: string, key: KeyState): NextOfKey {
    const head = key.held?.peek();
    if (head !== undefined && head.offset < key.storedFrom) {
      key.held!.shift();
      key.holder = head.offset;
      return head;
    }
    if (key.storedFrom !== Infinity) {
      this.#ask(key);
      return 'ask-store';
    }
    this.#keys.delete(keyHash);
    return null;
  }

  #ask(key: KeyState): void {
    key.holder = asking;
    // What is stored while the question is under way lowers this again, and is then asked for anew.
    key.storedFrom = Infinity;
  }

  #get(keyHash: string): KeyState {
    const key = this.#keys.get(keyHash);
    if (key === undefined) throw new Error(`ordering key ${keyHash} is not busy`);
    return key;
  }
}

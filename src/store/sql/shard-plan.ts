import type { LogChunk, MessageRef } from '../../message/ref.js';
import { shardOfKeyHash } from '../../message/ordering-key.js';
import type { AppendedMessage } from '../half-store.js';
import type { LockedShards } from './lock-shards.js';

/** Messages of one chunk at most. */
const chunkRefsMax = 1_000;

interface ShardSlice {
  messages: AppendedMessage[];
  refs: MessageRef[];
}

/** Which messages a batch appends to which shard, in the order in which they were added. */
export class ShardPlan {
  readonly #slices = new Map<string, Map<number, ShardSlice>>();

  /**
   * @param counted shards of every topic that occurs
   * @param turn number of the batch: its messages without an ordering key all go to one shard of their topic (one chunk
   *   then holds them), and the next batch goes to the next shard
   */
  constructor(
    private readonly counted: Map<string, number>,
    private readonly turn: number,
  ) {}

  /** The message will be appended; its placement is set by {@link number}. */
  append(message: AppendedMessage, ref: MessageRef): void {
    const slice = this.#slice(message.topic, ref.keyHash);
    slice.messages.push(message);
    slice.refs.push(ref);
  }

  /** Something that is not appended (yet) needs the topic, or the shard of an ordering key: it is locked with the others. */
  require(topic: string, keyHash?: string): void {
    this.#slice(topic, keyHash);
  }

  /** The shards to lock. */
  get wanted(): Map<string, Set<number>> {
    const wanted = new Map<string, Set<number>>();
    for (const [topic, shards] of this.#slices) wanted.set(topic, new Set(shards.keys()));
    return wanted;
  }

  /** Gives every message its offset, without gaps after what each locked shard holds. */
  number(locked: LockedShards, now: number): LogChunk[] {
    const chunks: LogChunk[] = [];
    for (const [topic, shards] of this.#slices) {
      for (const [shard, { messages, refs }] of shards) {
        const row = locked.get(topic)!.get(shard)!;
        // Another node's clock may be ahead: chunk times of a shard never go back.
        const appendedAt = Math.max(now, row.lastAppendedAt);
        messages.forEach((message, index) => {
          message.placement = { shard, offset: row.nextOffset + index };
        });
        for (let start = 0; start < refs.length; start += chunkRefsMax) {
          const chunkRefs = refs.length <= chunkRefsMax ? refs : refs.slice(start, start + chunkRefsMax);
          chunks.push({ topic, shard, firstOffset: row.nextOffset + start, appendedAt, refs: chunkRefs });
        }
      }
    }
    return chunks;
  }

  #slice(topic: string, keyHash: string | undefined): ShardSlice {
    let shards = this.#slices.get(topic);
    if (!shards) this.#slices.set(topic, (shards = new Map<number, ShardSlice>()));
    const count = this.counted.get(topic)!;
    const shard = keyHash === undefined ? this.turn % count : shardOfKeyHash(keyHash, count);
    let slice = shards.get(shard);
    if (!slice) shards.set(shard, (slice = { messages: [], refs: [] }));
    return slice;
  }
}

/** What the shard log keeps of a message: enough to filter and to order it without its body. */
export interface MessageRef {
  id: string;
  tag?: string;
  /** Hash of its ordering key (see `orderingKeyHash`), where it has one. */
  keyHash?: string;
}

/** One slice of a shard, written by one batch: `refs[i]` lies at `firstOffset + i`. */
export interface LogChunk {
  topic: string;
  shard: number;
  firstOffset: number;
  /** When the batch took the shard's lock (epoch ms); never lower than the chunk before. */
  appendedAt: number;
  refs: MessageRef[];
}

type PackedRef = string | [string, string | 0] | [string, string | 0, string];

/** The refs as JSON text: a plain id, or `[id, tag|0, keyHash]` where a tag or a key is there. */
export function packRefs(refs: MessageRef[]): string {
  return JSON.stringify(
    refs.map((ref): PackedRef => {
      if (ref.keyHash !== undefined) return [ref.id, ref.tag ?? 0, ref.keyHash];
      return ref.tag !== undefined ? [ref.id, ref.tag] : ref.id;
    }),
  );
}

/** The inverse of {@link packRefs}. */
export function unpackRefs(text: string): MessageRef[] {
  return (JSON.parse(text) as PackedRef[]).map((packed) => {
    if (typeof packed === 'string') return { id: packed };
    const ref: MessageRef = { id: packed[0] };
    if (packed[1] !== 0) ref.tag = packed[1];
    if (packed[2] !== undefined) ref.keyHash = packed[2];
    return ref;
  });
}

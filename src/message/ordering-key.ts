import { createHash } from 'node:crypto';

/**
 * The 64-bit hash that stands for an ordering key in the shard log: 11 characters of base64url.
 * Two keys that collide are only ordered more strictly than asked.
 */
export function orderingKeyHash(orderingKey: string): string {
  return createHash('sha1').update(orderingKey).digest().subarray(0, 8).toString('base64url');
}

/** The shard that owns an ordering key; the same for every node, and fixed because a topic's shards are. */
export function shardOfKeyHash(keyHash: string, shards: number): number {
  return Buffer.from(keyHash, 'base64url').readUInt32BE(0) % shards;
}

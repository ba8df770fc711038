/** 32-bit hash of a string: FNV-1a, then mixed so that every bit of the input moves every bit of the output. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}

/**
 * Which of the nodes should own a thing: all nodes that see the same live nodes answer alike, and when a node comes or
 * goes only the things move that it gets or had (rendezvous hashing).
 * @param nodeIds at least one
 */
export function preferredNode(nodeIds: readonly string[], name: string): string {
  let best = nodeIds[0]!;
  let bestScore = -1;
  for (const id of nodeIds) {
    const score = hash(`${name}@${id}`);
    if (score > bestScore || (score === bestScore && id < best)) {
      best = id;
      bestScore = score;
    }
  }
  return best;
}

/** The name by which a subscription is known in memory, and shared out among the nodes. */
export function nameOf({ topic, group }: { topic: string; group: string }): string {
  return `${topic}.${group}`;
}

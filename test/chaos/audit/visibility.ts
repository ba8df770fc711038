import type { Case, Finding } from './evidence.js';

/** What must be visible is so exactly once; what must not never is. */
export function visibility({ fates, placesOf, last }: Case): Finding[] {
  const findings: Finding[] = [];
  for (const { id, intended, verdict, because } of fates) {
    const places = placesOf.get(id) ?? [];
    const { at } = intended;
    if (verdict === 'never' && places.length > 0) {
      findings.push({ invariant: 'wrong', at, what: `${id} is in the log: ${because}` });
    }
    // The log of a topic with a short retention is not there any more; its consumers know.
    if (
      verdict === 'must' &&
      places.length === 0 &&
      intended.messages[0]!.topic !== 'brief' &&
      !last.scheduled.includes(id)
    ) {
      findings.push({ invariant: 'lost', at, what: `${id} is not in the log: ${because}` });
    }
    if (places.length > 1)
      findings.push({ invariant: 'offsets', at, what: `${id} is in the log ${places.length} times` });
  }
  return findings;
}

/** Offsets have no gaps, nothing moves in the log, and what it names is there. */
export function offsets({ evidence, last, placesOf, fateOf }: Case): Finding[] {
  const findings: Finding[] = [];
  const breach = (what: string, at = last.at): void => void findings.push({ invariant: 'offsets', at, what });
  for (const { topic, shard, firstOffset, nextOffset } of last.shards) {
    const chunks = last.chunks.filter((chunk) => chunk.topic === topic && chunk.shard === shard);
    let next = firstOffset;
    for (const chunk of chunks) {
      if (chunk.firstOffset < firstOffset) continue;
      if (chunk.firstOffset !== next) breach(`${topic} ${shard}: ${next} is followed by ${chunk.firstOffset}`);
      next = chunk.firstOffset + chunk.count;
    }
    if (next !== nextOffset) breach(`${topic} ${shard}: the log ends at ${next}, the shard at ${nextOffset}`);
    const entries = last.log.filter((entry) => entry.topic === topic && entry.shard === shard);
    const counted = chunks.reduce((sum, { count }) => sum + count, 0);
    if (entries.length !== counted)
      breach(`${topic} ${shard}: chunks name ${entries.length} messages and count ${counted}`);
  }
  const seen = new Map<string, string>();
  for (const image of evidence.images) {
    for (const { topic, shard, offset, id } of image.log) {
      const place = `${topic} ${shard} ${offset}`;
      const before = seen.get(place);
      if (before !== undefined && before !== id) breach(`${place} was ${before} and became ${id}`, image.at);
      seen.set(place, id);
    }
  }
  for (const { id, topic } of last.log) {
    if (!last.messages.has(id)) breach(`${topic}: the log names ${id}, which has no body`);
    else if (topic !== 'copies' && !fateOf.has(id)) breach(`${topic}: nobody has sent ${id}`);
  }
  for (const entry of evidence.producer) {
    if (entry.kind !== 'answered') continue;
    for (const { id, shard, offset } of entry.places) {
      if (offset === undefined) continue;
      const isThere = placesOf.get(id)?.some((place) => place.shard === shard && place.offset === offset);
      const wasSeen = placesOf.has(id);
      if (wasSeen && !isThere) breach(`${id} was said to be at ${shard}/${offset}, and is not`, entry.at);
    }
  }
  return findings;
}

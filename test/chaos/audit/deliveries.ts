import type { Got, Handled } from '../facts.js';
import type { Written } from '../journal.js';
import type { Case, Finding } from './evidence.js';

/** One time that a consumer had a message in hand. */
export interface Handling {
  group: string;
  id: string;
  attempt: number;
  shard?: number | undefined;
  offset?: number | undefined;
  orderingKey?: string | undefined;
  at: number;
  /** Place in the consumers' journals: what is behind was written later by the same process. */
  sequence: number;
  /** How it ended; undefined when its process died meanwhile. */
  end?: { how: 'ack' | 'nack'; at: number; sequence: number } | undefined;
  /** When the call that brought it was made, at the earliest. */
  asked: number;
  /** Whether the broker has confirmed the end. */
  confirmed: boolean;
  /** Why its claim may have ended before it did, as its consumer was told. */
  lost?: string;
}

/** All handlings by subscription, in their order. */
export function handlingsOf({ evidence }: Case): Map<string, Handling[]> {
  const all = new Map<string, Handling[]>();
  const open = new Map<string, Handling>();
  const keyOf = ({ group, id, attempt }: { group: string; id: string; attempt: number }): string =>
    `${group} ${id} ${attempt}`;
  evidence.consumer.forEach((entry, sequence) => {
    if (entry.kind === 'got') {
      const { group, id, attempt, shard, offset, orderingKey, at, asked = at } = entry as Written<Got>;
      const handling: Handling = {
        group,
        id,
        attempt,
        shard,
        offset,
        orderingKey,
        at,
        asked,
        sequence,
        confirmed: false,
      };
      open.set(keyOf(entry), handling);
      const ofGroup = all.get(group);
      if (ofGroup) ofGroup.push(handling);
      else all.set(group, [handling]);
      return;
    }
    if (entry.kind === 'claim-lost') {
      const last = all.get(entry.group)?.findLast(({ id }) => id === entry.id);
      if (last) last.lost = 'claim lost';
      return;
    }
    const handling = open.get(keyOf(entry));
    if (!handling) return;
    if (entry.kind === 'handled') handling.end = { how: (entry as Written<Handled>).how, at: entry.at, sequence };
    else if (entry.ok === true) handling.confirmed = true;
    else handling.lost = entry.ok === false ? 'claim ran out' : 'answer lost';
  });
  return all;
}

/** Everything that is visible was handled by every subscription that it is for, or is a dead letter; nothing else was. */
export function delivered(found: Case, handlings: Map<string, Handling[]>): Finding[] {
  const findings: Finding[] = [];
  const { last, fates, fateOf, evidence } = found;
  const acked = new Set<string>();
  const got = new Set<string>();
  for (const [group, ofGroup] of handlings) {
    for (const { id, end } of ofGroup) {
      got.add(`${group} ${id}`);
      if (end?.how === 'ack') acked.add(`${group} ${id}`);
    }
  }
  const dead = new Map(last.deadLetters.map((letter) => [`${letter.subscription} ${letter.id}`, letter]));
  for (const { subscription, id, attempts } of last.deadLetters) {
    if (attempts < evidence.maxAttempts) {
      findings.push({
        invariant: 'dropped',
        at: last.at,
        what: `${id} died for ${subscription} after ${attempts} attempts`,
      });
    }
  }
  for (const { id, topic, tag, verdict, because, intended } of fates) {
    for (const group of found.receivers(topic, tag)) {
      const name = `${group} ${id}`;
      if (verdict === 'never' && got.has(name)) {
        findings.push({ invariant: 'wrong', at: intended.at, what: `${id} was delivered to ${group}: ${because}` });
      }
      if (verdict !== 'must' || forwards(found, group) || acked.has(name) || dead.has(name)) continue;
      const invariant = got.has(name) ? 'dropped' : 'lost';
      findings.push({ invariant, at: intended.at, what: `${id} was not handled by ${group}: ${because}` });
    }
  }
  for (const [group, ofGroup] of handlings) {
    for (const { id, at } of ofGroup) {
      const isCopy = last.messages.get(id)?.origin !== undefined;
      if (!isCopy && !fateOf.has(id))
        findings.push({ invariant: 'wrong', at, what: `${group} got ${id}, which nobody sent` });
    }
  }
  return [...findings, ...copied(found, acked, dead)];
}

/** Handled by the broker itself, into another topic. */
function forwards({ evidence }: Case, group: string): boolean {
  const { forward } = evidence.subscriptions.get(group)!;
  return forward !== undefined && 'topic' in forward;
}

/** Each forwarded message has one copy, which is handled there. */
function copied(found: Case, acked: Set<string>, dead: Map<string, unknown>): Finding[] {
  const findings: Finding[] = [];
  const { last, evidence } = found;
  const copies = new Map<string, string[]>();
  for (const { id, topic } of last.log) {
    const origin = topic === 'copies' ? last.messages.get(id)?.origin : undefined;
    if (origin === undefined) continue;
    const ofOrigin = copies.get(origin);
    if (ofOrigin) ofOrigin.push(id);
    else copies.set(origin, [id]);
  }
  for (const [group, { forward }] of evidence.subscriptions) {
    if (!forward || !('topic' in forward)) continue;
    for (const { id, topic, tag, verdict, intended } of found.fates) {
      if (verdict !== 'must' || !found.receivers(topic, tag).includes(group) || dead.has(`${group} ${id}`)) continue;
      const ofOrigin = copies.get(id) ?? [];
      const { at } = intended;
      if (ofOrigin.length !== 1) {
        const invariant = ofOrigin.length === 0 ? 'lost' : 'duplicate';
        findings.push({ invariant, at, what: `${group} made ${ofOrigin.length} copies of ${id}` });
      }
      for (const copy of ofOrigin) {
        for (const receiver of found.receivers('copies', tag)) {
          if (acked.has(`${receiver} ${copy}`) || dead.has(`${receiver} ${copy}`)) continue;
          findings.push({ invariant: 'lost', at, what: `the copy of ${id} was not handled by ${receiver}` });
        }
      }
    }
  }
  return findings;
}

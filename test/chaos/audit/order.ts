import type { Case, Finding } from './evidence.js';
import type { Handling } from './deliveries.js';

/** Messages of one ordering key are handled one at a time and in the order of their offsets, for each subscription. */
export function order({ evidence, answersOf }: Case, handlings: Map<string, Handling[]>): Finding[] {
  const findings: Finding[] = [];
  for (const [group, ofGroup] of handlings) {
    const byKey = new Map<string, Handling[]>();
    for (const handling of ofGroup) {
      if (handling.orderingKey === undefined) continue;
      const ofKey = byKey.get(handling.orderingKey);
      if (ofKey) ofKey.push(handling);
      else byKey.set(handling.orderingKey, [handling]);
    }
    for (const [key, ofKey] of byKey) findings.push(...inOrder(`${group}, key ${key}`, ofKey));
  }
  for (const entry of evidence.producer) {
    if (entry.kind !== 'answered') continue;
    const intended = answersOf.get(entry.order)!.find(({ kind }) => kind === 'intended');
    if (intended?.kind !== 'intended') continue;
    const last = new Map<string, number>();
    for (const { id, orderingKey } of intended.messages) {
      const offset = entry.places.find((place) => place.id === id)?.offset;
      if (orderingKey === undefined || offset === undefined) continue;
      const before = last.get(orderingKey);
      if (before !== undefined && offset <= before) {
        findings.push({
          invariant: 'order',
          at: entry.at,
          what: `${entry.order}: ${id} lies before what was sent before it`,
        });
      }
      last.set(orderingKey, offset);
    }
  }
  return findings;
}

function inOrder(where: string, handlings: Handling[]): Finding[] {
  const findings: Finding[] = [];
  let highest: Handling | undefined;
  for (const handling of handlings) {
    const { id, at, offset = -1 } = handling;
    if (highest && offset < highest.offset!) {
      findings.push({
        invariant: 'order',
        at,
        what: `${where}: ${id} (${offset}) after ${highest.id} (${highest.offset})`,
      });
    } else {
      // The one before has ended for good before this one begins; one whose process died has ended with it.
      const overlaps = highest && highest.offset !== offset && highest.end && highest.end.sequence > handling.sequence;
      if (overlaps) findings.push({ invariant: 'order', at, what: `${where}: ${id} while ${highest!.id} was in hand` });
      highest = handling;
    }
  }
  return findings;
}

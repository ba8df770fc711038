import type { Case, Cause, Finding } from './evidence.js';
import type { Handling } from './deliveries.js';

/** Just below the shortest time that a consumer has for a message. */
const claimMs = 950;
/** Between a cause and the moment in which it is written down. */
const slackMs = 50;

export interface Duplicates {
  findings: Finding[];
  /** Handlings beyond the first of a message for a subscription that were not asked for, but have a cause. */
  excused: Excused[];
}

export interface Excused {
  at: number;
  cause: string;
  /** When the cause was; that of the handling where nobody but time is the cause. */
  causedAt: number;
}

/**
 * A message that comes again without having failed needs a cause between its two handlings: a kill, something else that the
 * harness did, or a claim that ran out. After an acknowledgement that the broker has confirmed nothing excuses it.
 */
export function duplicates({ evidence }: Case, handlings: Map<string, Handling[]>): Duplicates {
  const findings: Finding[] = [];
  const excused: Excused[] = [];
  for (const [group, ofGroup] of handlings) {
    const before = new Map<string, Handling>();
    for (const handling of ofGroup) {
      const first = before.get(handling.id);
      before.set(handling.id, handling);
      if (!first) continue;
      const { id, at, attempt } = handling;
      if (first.end?.how === 'nack' && attempt > first.attempt) continue;
      const cause = first.confirmed && first.end?.how === 'ack' ? undefined : causeOf(first, handling, evidence.causes);
      if (cause === undefined) {
        const how = first.confirmed ? 'its acknowledgement was confirmed' : 'nothing had happened';
        findings.push({
          invariant: 'duplicate',
          at,
          what: `${id} came again to ${group} (attempt ${attempt}): ${how}`,
        });
      } else excused.push({ at, ...cause });
    }
  }
  const effects = new Map<string, number>();
  for (const id of evidence.effects) effects.set(id, (effects.get(id) ?? 0) + 1);
  for (const [id, count] of effects) {
    if (count === 1) continue;
    findings.push({
      invariant: 'duplicate',
      at: Date.now(),
      what: `the inbox let the work of ${id} be done ${count} times`,
    });
  }
  return { findings, excused };
}

function causeOf(first: Handling, again: Handling, causes: readonly Cause[]): Omit<Excused, 'at'> | undefined {
  const cause = causes.find(({ at, until }) => at <= again.at && until >= first.at - slackMs);
  if (cause) return { cause: cause.what, causedAt: cause.at };
  if (first.lost !== undefined) return { cause: first.lost, causedAt: again.at };
  return again.at - first.asked >= claimMs ? { cause: 'claim ran out', causedAt: again.at } : undefined;
}

import type { Audit } from './audit/audit.js';
import type { Invariant } from './audit/evidence.js';
import type { Result } from './results.js';
import type { SceneOptions } from './scene.js';

/** A kill or a fault as it happened. */
export interface Blow {
  /** The step, or the name of the fault. */
  step: string;
  nth?: number;
  at: number;
  /** From it, or from its end where it lasts, until every kind of consumer got something that was begun after it. */
  recoveryMs?: number;
}

/** Breaches that are seen at the second of two moments; the others are dated when what they are about began. */
const seenLater = new Set<Invariant>(['order', 'offsets', 'duplicate']);

/** What the audit has found, by the blow that it belongs to. */
export function resultsOf(
  { store, engine, seed }: Pick<SceneOptions, 'store' | 'engine' | 'seed'>,
  blows: readonly Blow[],
  found: Audit,
  { commit }: { commit: string },
): Result[] {
  const results = blows.map(({ at, ...blow }): Result => ({
    ...{ ...blow, store, engine, seed, commit },
    date: new Date(at).toISOString(),
    findings: {},
    duplicates: {},
  }));
  // Without a blow there is nothing that a breach belongs to.
  if (results.length === 0) return results;
  const before = (at: number): number => blows.findLastIndex((blow) => blow.at <= at);
  for (const { invariant, at } of found.findings) {
    const index = seenLater.has(invariant) ? before(at) : blows.findIndex((blow) => blow.at >= at);
    const { findings } = results.at(index)!;
    findings[invariant] = (findings[invariant] ?? 0) + 1;
  }
  for (const { cause, causedAt } of found.duplicates) {
    const { duplicates } = results.at(before(causedAt))!;
    duplicates[cause] = (duplicates[cause] ?? 0) + 1;
  }
  return results;
}

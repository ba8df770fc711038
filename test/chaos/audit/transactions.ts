import type { Case, Finding } from './evidence.js';

/** No final state ever changes, and what was answered is what the store says from then on. */
export function finalStates({ evidence, statesOf, answersOf }: Case): Finding[] {
  const findings: Finding[] = [];
  const breach = (at: number, what: string): void => void findings.push({ invariant: 'final', at, what });
  for (const [id, states] of statesOf) {
    for (let index = 1; index < states.length; index += 1) {
      const [before, after] = [states[index - 1]!, states[index]!];
      const isFinal = before.state === 'committed' || before.state === 'rolled_back';
      if (isFinal || after.state === 'prepared') breach(after.at, `${id} went from ${before.state} to ${after.state}`);
    }
  }
  for (const entry of evidence.producer) {
    if (entry.kind === 'contradicted' && entry.accepted) breach(entry.at, `${entry.order}: the opposite was accepted`);
    if (entry.kind !== 'answered' || entry.what === 'sent' || entry.what === 'prepared') continue;
    const intended = answersOf.get(entry.order)!.find(({ kind }) => kind === 'intended');
    const transaction = intended?.kind === 'intended' ? intended.transaction : undefined;
    const later = transaction === undefined ? [] : (statesOf.get(transaction) ?? []).filter(({ at }) => at > entry.at);
    for (const { at, state } of later) {
      if (state !== entry.what) breach(at, `${entry.order} is ${state}, and ${entry.what} was answered before`);
    }
  }
  return findings;
}

/** A transaction ends as its producer meant it to. */
export function resolvedAsMeant({ fates, statesOf }: Case): Finding[] {
  const findings: Finding[] = [];
  const seen = new Set<string>();
  for (const { intended } of fates) {
    const { transaction, decision, order } = intended;
    if (transaction === undefined || seen.has(transaction)) continue;
    seen.add(transaction);
    const end = statesOf.get(transaction)?.at(-1);
    if (!end) continue;
    const allowed = { commit: ['committed'], rollback: ['rolled_back'], unknown: ['parked'], local: null, send: null }[
      decision
    ];
    if (!allowed || allowed.includes(end.state) || end.state === 'prepared') continue;
    const invariant = end.state === 'committed' ? 'wrong' : 'lost';
    findings.push({ invariant, at: intended.at, what: `${order} was to be ${decision}, and is ${end.state}` });
  }
  return findings;
}

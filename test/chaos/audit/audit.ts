import { delivered, handlingsOf } from './deliveries.js';
import { duplicates, type Excused } from './duplicates.js';
import { Case, type Evidence, type Finding } from './evidence.js';
import { order } from './order.js';
import { unfinished } from './stuck.js';
import { finalStates, resolvedAsMeant } from './transactions.js';
import { offsets, visibility } from './visibility.js';

export interface Audit {
  findings: Finding[];
  /** Messages that came again with a cause. */
  duplicates: Excused[];
  /** What was looked at, so that an audit of nothing is seen as one. */
  looked: { messages: number; mustBeDelivered: number; handlings: number; transactions: number; deadLetters: number };
}

/** Checks every invariant against the evidence. */
export function audit(evidence: Evidence): Audit {
  const found = new Case(evidence);
  const handlings = handlingsOf(found);
  const repeated = duplicates(found, handlings);
  const stuck = [...unfinished(found.last), ...evidence.left];
  const findings: Finding[] = [
    ...finalStates(found),
    ...resolvedAsMeant(found),
    ...visibility(found),
    ...offsets(found),
    ...delivered(found, handlings),
    ...order(found, handlings),
    ...repeated.findings,
    ...stuck.map((what): Finding => ({ invariant: 'stuck', at: found.last.at, what })),
  ];
  const looked = {
    messages: found.fates.length,
    mustBeDelivered: found.fates.filter(({ verdict }) => verdict === 'must').length,
    handlings: [...handlings.values()].reduce((sum, { length }) => sum + length, 0),
    transactions: found.statesOf.size,
    deadLetters: found.last.deadLetters.length,
  };
  return { findings, duplicates: repeated.excused, looked };
}

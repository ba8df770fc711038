import type { Outcome, Problem } from '../message/problem.js';
import { problemJson, type ProblemJson } from './problem-json.js';

/** How one receipt was settled, as callers read it. */
export type SettleResult = { receipt: string; ok: true } | { receipt: string; problem: ProblemJson };

/** A result for each receipt, in order. */
export function settleResults(receipts: string[], outcomes: Outcome<true>[]): SettleResult[] {
  return outcomes.map(({ problem }, index) => {
    const receipt = receipts[index]!;
    return problem ? { receipt, problem: problemJson(problem) } : { receipt, ok: true };
  });
}

/** All of them ended by one problem. */
export function allRefused(receipts: string[], problem: Problem): SettleResult[] {
  const json = problemJson(problem);
  return receipts.map((receipt) => ({ receipt, problem: json }));
}

import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Invariant } from './audit/evidence.js';

/** One kill, or one run of a fault, as it is kept for the table. */
export interface Result {
  /** The step, or the name of the fault. */
  step: string;
  store: string;
  engine: string;
  seed: number;
  /** At which time that the step was reached the process died. */
  nth?: number;
  /** What the code was: a commit. */
  commit: string;
  date: string;
  /** From the kill until every kind of consumer got a message that was sent after it; absent when the next kill came first. */
  recoveryMs?: number;
  /** Breaches of invariants that belong to it. */
  findings: Partial<Record<Invariant, number>>;
  /** Messages that came again with a cause, by cause. */
  duplicates: Record<string, number>;
}

/** Adds results to a file of JSON lines. */
export function appendResults(path: string, results: readonly Result[]): void {
  mkdirSync(dirname(path), { recursive: true });
  appendFileSync(path, results.map((result) => `${JSON.stringify(result)}\n`).join(''));
}

export function readResults(path: string): Result[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Result);
}

import { Problem, type Outcome } from '../message/problem.js';

/** Why one of many items failed. The others have outcomes of their own that their caller must learn. */
export function itemProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem('internal', 'this item failed unexpectedly', { cause: error });
}

/** Who added items, and is told how each of them ended. */
export interface ItemsCaller<Result> {
  done(index: number, result: Result): void;
  failed(index: number, error: unknown): void;
}

/** A caller with one item of its own. */
export class OneItem<Result> implements ItemsCaller<Result> {
  constructor(
    private readonly resolve: (result: Result) => void,
    private readonly reject: (error: unknown) => void,
  ) {}

  done(_index: number, result: Result): void {
    this.resolve(result);
  }

  failed(_index: number, error: unknown): void {
    this.reject(error);
  }
}

/** A caller with many items, answered when the last of them has ended. A failure is the outcome of what it met. */
export class ManyItems<Result> implements ItemsCaller<Result> {
  readonly #outcomes: Outcome<Result>[];
  #left: number;

  constructor(
    count: number,
    private readonly resolve: (outcomes: Outcome<Result>[]) => void,
  ) {
    this.#outcomes = new Array<Outcome<Result>>(count);
    this.#left = count;
    if (count === 0) resolve(this.#outcomes);
  }

  done(index: number, value: Result): void {
    this.#ended(index, { value });
  }

  failed(index: number, error: unknown): void {
    this.#ended(index, { problem: itemProblem(error) });
  }

  #ended(index: number, outcome: Outcome<Result>): void {
    this.#outcomes[index] = outcome;
    this.#left -= 1;
    if (this.#left === 0) this.resolve(this.#outcomes);
  }
}

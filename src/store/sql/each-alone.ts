import { Problem, type Outcome } from '../../message/problem.js';

/** Whether the store itself was away, so that nothing can be said about any item. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof Problem && (error.slug === 'unavailable' || error.slug === 'overloaded');
}

/** Runs the items of a failed batch one by one, in order, so that what is wrong with one of them fails it alone. */
export async function eachAlone<Item, Result>(
  items: Item[],
  run: (item: Item) => Promise<Outcome<Result>[]>,
): Promise<Outcome<Result>[]> {
  const outcomes: Outcome<Result>[] = [];
  let away: Problem | undefined;
  for (const item of items) {
    if (away) {
      outcomes.push({ problem: away });
      continue;
    }
    try {
      outcomes.push(...(await run(item)));
    } catch (cause) {
      const problem =
        cause instanceof Problem ? cause : new Problem('internal', 'the store refused the item', { cause });
      outcomes.push({ problem });
      // Items before this one may be stored, so their answers count; those after it need not wait for an outage too.
      if (isUnavailable(problem)) away = problem;
    }
  }
  return outcomes;
}

import type { Invariant } from './audit/evidence.js';
import type { Result } from './results.js';

/** Runs of a row on each store and engine that are wanted. */
const wantedRuns = 20;

/** Columns of what must never happen, with the invariants that they count. */
const breaches: [title: string, invariants: Invariant[]][] = [
  ['lost', ['lost', 'dropped']],
  ['wrongly delivered', ['wrong']],
  ['final state changed', ['final']],
  ['order broken', ['order']],
  ['gaps', ['offsets']],
  ['stuck', ['stuck']],
  ['repeated without a cause', ['duplicate']],
];

/**
 * The results as one Markdown table: a row for each step and fault, and one for all.
 * @param rows in this order; those of the results that are not named follow
 */
export function table(results: readonly Result[], rows: readonly string[]): string {
  const byStep = new Map<string, Result[]>(rows.map((step) => [step, []]));
  for (const result of results) {
    const ofStep = byStep.get(result.step);
    if (ofStep) ofStep.push(result);
    else byStep.set(result.step, [result]);
  }
  const titles = [
    'step or fault',
    'runs',
    ...breaches.map(([title]) => title),
    'repeated (cause)',
    'worst recovery',
    'code',
  ];
  const lines = [...byStep].map(([step, ofStep]) => rowOf(`\`${step}\``, ofStep));
  lines.push(rowOf('**all**', results));
  const head = [titles, titles.map((_, index) => (index === 0 || index >= titles.length - 3 ? '---' : '--:'))];
  return [...head, ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function rowOf(name: string, results: readonly Result[]): string[] {
  const counts = breaches.map(([, invariants]) =>
    String(
      results.reduce((sum, { findings }) => sum + invariants.reduce((all, each) => all + (findings[each] ?? 0), 0), 0),
    ),
  );
  const recoveries = results.flatMap(({ recoveryMs }) => recoveryMs ?? []);
  const worst = recoveries.length > 0 ? `${(Math.max(...recoveries) / 1_000).toFixed(1)} s` : '';
  return [name, runsOf(results), ...counts, repeatedOf(results), worst, codeOf(results)];
}

/** How many, and on which store and engine there are too few. */
function runsOf(results: readonly Result[]): string {
  const byPlace = new Map<string, number>();
  for (const { store, engine } of results) {
    const place = `${store}/${engine}`;
    byPlace.set(place, (byPlace.get(place) ?? 0) + 1);
  }
  const short = [...byPlace].filter(([, count]) => count < wantedRuns).map(([place, count]) => `${place} ${count}`);
  if (results.length === 0) return '0 (not run)';
  return short.length === 0 ? String(results.length) : `${results.length} (below ${wantedRuns}: ${short.join(', ')})`;
}

function repeatedOf(results: readonly Result[]): string {
  const byCause = new Map<string, number>();
  for (const { duplicates } of results) {
    for (const [cause, count] of Object.entries(duplicates)) byCause.set(cause, (byCause.get(cause) ?? 0) + count);
  }
  return [...byCause].map(([cause, count]) => `${count} (${cause})`).join(', ') || '0';
}

function codeOf(results: readonly Result[]): string {
  const dates = results.map(({ date }) => date.slice(0, 10)).sort();
  const commits = [...new Set(results.map(({ commit }) => commit))];
  if (commits.length === 0) return '';
  const last = `${commits.at(-1)!}, ${dates.at(-1)!}`;
  return commits.length === 1 ? last : `${last} and ${commits.length - 1} before`;
}

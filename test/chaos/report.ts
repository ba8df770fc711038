import type { Invariant } from './audit/evidence.js';
import type { Place } from './faults/fault.js';
import type { Result } from './results.js';

/** A row of the table: a step or a fault. */
export interface Row {
  name: string;
  /** Where its runs are wanted. */
  places: readonly Place[];
  /** Told beside the name. */
  note?: string;
}

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
  ['duplicates without a cause', ['duplicate']],
];

/** Commits of a row that are named; the others are counted. */
const commitsMax = 3;

/**
 * The results of any number of runs as one Markdown table: a row for each step and fault, and one for all.
 * @param rows in this order; those of the results that are not named follow
 */
export function table(results: readonly Result[], rows: readonly Row[]): string {
  const byName = grouped(results, ({ step }) => step);
  const named = new Set(rows.map(({ name }) => name));
  const unnamed = [...byName.keys()].filter((name) => !named.has(name)).map((name): Row => ({ name, places: [] }));
  const titles = [
    'step or fault',
    'runs',
    ...breaches.map(([title]) => title),
    'duplicates (cause)',
    'worst recovery',
    'commit, date',
  ];
  const lines = [...rows, ...unnamed].map(({ name, places, note }) => {
    const ofRow = byName.get(name) ?? [];
    return [`\`${name}\`${note === undefined ? '' : ` (${note})`}`, runsOf(ofRow, places), ...cellsOf(ofRow)];
  });
  lines.push(['**all**', String(results.length), ...cellsOf(results)]);
  const head = [titles, titles.map((_, index) => (index === 0 || index >= titles.length - 3 ? '---' : '--:'))];
  return [...head, ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function grouped(results: readonly Result[], keyOf: (result: Result) => string): Map<string, Result[]> {
  const groups = new Map<string, Result[]>();
  for (const result of results) {
    const key = keyOf(result);
    const group = groups.get(key);
    if (group) group.push(result);
    else groups.set(key, [result]);
  }
  return groups;
}

function cellsOf(results: readonly Result[]): string[] {
  const counts = breaches.map(([, invariants]) =>
    String(
      results.reduce((sum, { findings }) => sum + invariants.reduce((all, each) => all + (findings[each] ?? 0), 0), 0),
    ),
  );
  const recoveries = results.flatMap(({ recoveryMs }) => recoveryMs ?? []);
  const worst = recoveries.length > 0 ? `${(Math.max(...recoveries) / 1_000).toFixed(1)} s` : '';
  return [...counts, duplicatesOf(results), worst, commitsOf(results)];
}

/** How many, and on which store and engine there are too few. */
function runsOf(results: readonly Result[], wanted: readonly Place[]): string {
  if (results.length === 0) return '0 (not run)';
  const byPlace = new Map(wanted.map(({ store, engine }) => [`${store}/${engine}`, 0]));
  for (const { store, engine } of results) {
    const place = `${store}/${engine}`;
    byPlace.set(place, (byPlace.get(place) ?? 0) + 1);
  }
  const short = [...byPlace].filter(([, count]) => count < wantedRuns).map(([place, count]) => `${place} ${count}`);
  return short.length === 0 ? String(results.length) : `${results.length} (below ${wantedRuns}: ${short.join(', ')})`;
}

function duplicatesOf(results: readonly Result[]): string {
  const byCause = new Map<string, number>();
  for (const { duplicates } of results) {
    for (const [cause, count] of Object.entries(duplicates)) byCause.set(cause, (byCause.get(cause) ?? 0) + count);
  }
  return [...byCause].map(([cause, count]) => `${count} (${cause})`).join(', ') || '0';
}

/** The commits that were run, the last one first, each with its last day and, where there are several, its runs. */
function commitsOf(results: readonly Result[]): string {
  const last = (of: readonly Result[]): string => of.map(({ date }) => date).reduce((a, b) => (a > b ? a : b));
  const commits = [...grouped(results, ({ commit }) => commit)]
    .map(([commit, of]) => ({ commit, runs: of.length, at: last(of) }))
    .sort((a, b) => b.at.localeCompare(a.at));
  const told = commits.slice(0, commitsMax).map(({ commit, runs, at }) => {
    const day = at.slice(0, 10);
    return commits.length === 1 ? `${commit}, ${day}` : `${commit}, ${day} (${runs})`;
  });
  const before = commits.length - told.length;
  return before > 0 ? `${told.join('; ')}; ${before} before` : told.join('; ');
}

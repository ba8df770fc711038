import { allFigures, type Figures } from './figures.js';
import type { Percentiles } from './histogram.js';
import { markdown } from './markdown.js';
import type { Results, ResultsFile, Row } from './results.js';
import { targets, verdict, type Target } from './targets.js';

const number = (value: number | undefined, digits = 0) => (value === undefined ? '' : value.toFixed(digits));
const times = (value: Percentiles | undefined) =>
  value ? `${value.p50.toFixed(1)} / ${value.p99.toFixed(1)} / ${value.max.toFixed(0)}` : '';
const byName = (values: Record<string, number> | undefined, digits = 0) =>
  Object.entries(values ?? {})
    .map(([name, value]) => `${name} ${value.toFixed(digits)}`)
    .join(', ');

/** A Markdown table: a row a scenario. */
export function scenarioTable(rows: Row[]): string {
  const header = [
    'scenario',
    'delivered/s',
    'stored/s',
    'prepare p50/p99/max ms',
    'commit p50/p99/max ms',
    'end to end p50/p99/max ms',
    'CPU µs a message',
    'statements, commits a message',
    'redo bytes a message; written',
    'peak MiB',
    'more',
  ];
  return markdown(header, rows.map(scenarioCells));
}

function scenarioCells({ id, title, figures, failures }: Row): string[] {
  const failed = failures.map((failure) => `FAILED: ${failure.split('\n', 1)[0]}`);
  if (!figures) return [`\`${id}\` ${title}`, ...Array.from({ length: 9 }, () => ''), failed.join('; ')];
  const { database } = figures;
  return [
    `\`${id}\` ${title}`,
    number(figures.deliveredPerSecond),
    number(figures.storedPerSecond) +
      (figures.storedMBPerSecond ? ` (${number(figures.storedMBPerSecond, 1)} MB/s)` : ''),
    times(figures.prepareMs),
    times(figures.commitMs),
    times(figures.endToEndMs),
    byName(figures.cpuMicrosPerMessage),
    database ? `${number(database.statementsPerMessage, 3)}, ${number(database.commitsPerMessage, 3)}` : '',
    [number(database?.redoBytesPerMessage), byName(figures.writtenBytesPerMessage)].join('; '),
    byName(figures.peakMiB),
    [...extras(figures), ...failed].join('; '),
  ];
}

function extras(figures: Figures): string[] {
  const { gathered, commitToReceiptMs, own, backlogAtEnd, duplicates, errors } = figures;
  return [
    ...(gathered !== undefined ? [`${gathered.toFixed(0)} messages a gathered call`] : []),
    ...(commitToReceiptMs ? [`commit to handler ${times(commitToReceiptMs)} ms`] : []),
    ...Object.entries(own ?? {}).map(([name, value]) => `${name}: ${value.toFixed(value < 100 ? 2 : 0)}`),
    ...(backlogAtEnd ? [`backlog at the end ${number(backlogAtEnd)}`] : []),
    ...(duplicates ? [`duplicates ${duplicates}`] : []),
    ...(errors ? [`errors ${errors}`] : []),
  ];
}

/** The table of targets, with what was measured. */
export function targetTable(results: Results): string {
  const header = ['target', 'at least', 'aim', 'measured', 'value', 'reached', 'against'];
  const lines = targets.map((target) => {
    const { value, measured, told, reached } = verdict(target, results);
    const raw = target.yardstick ? `${number(measured)}/s` : '';
    return [
      target.row,
      wanted(target, target.atLeast),
      target.aim === undefined ? '' : wanted(target, target.aim),
      measured === undefined ? '' : raw,
      value === undefined ? '' : `${value.toFixed(2)} ${target.unit}`,
      reached,
      told,
    ];
  });
  return markdown(header, lines);
}

function wanted({ atMost, unit }: Target, value: number): string {
  return `${atMost ? '≤' : '≥'} ${value} ${unit}`;
}

/** Shares of a core and single events say nothing about one run against another. */
const notCompared = /^(cpu\.|errors|duplicates|backlogAtEnd)|\.max$/;

/** Figures of which both runs have one, as ratios of the new to the old. */
export function comparison(results: Results, old: ResultsFile): string {
  const lines = results.rows.flatMap(({ id, figures }) => {
    const earlier = old.rows.find((row) => row.id === id)?.figures;
    if (!figures || !earlier) return [];
    const before = new Map(allFigures(earlier));
    return allFigures(figures).flatMap(([path, value]) => {
      const was = before.get(path);
      return was === undefined || was === 0 || notCompared.test(path)
        ? []
        : [[id, path, was.toPrecision(4), value.toPrecision(4), (value / was).toFixed(2)]];
    });
  });
  return markdown(['scenario', 'figure', `then (${old.at})`, 'now', 'ratio'], lines);
}

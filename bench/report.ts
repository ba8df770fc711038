import { cpus, totalmem } from 'node:os';
import { median, type Figures, type Percentiles } from './figures.js';

/** The medians of several runs, figure by figure. */
export function medianFigures(runs: Figures[]): Figures {
  const merge = (values: unknown[]): unknown => {
    const present = values.filter((value) => value !== undefined);
    if (present.length === 0) return undefined;
    if (typeof present[0] === 'number') return median(present as number[]);
    const keys = new Set(present.flatMap((value) => Object.keys(value as object)));
    return Object.fromEntries([...keys].map((key) => [key, merge(present.map((value) => (value as never)[key]))]));
  };
  return merge(runs) as Figures;
}

const number = (value: number | undefined, digits = 0) => (value === undefined ? '' : value.toFixed(digits));
const times = (value?: Percentiles) =>
  value && Number.isFinite(value.p50)
    ? `${value.p50.toFixed(1)} / ${value.p99.toFixed(1)} / ${value.max.toFixed(0)}`
    : '';

/** A Markdown table: a row a scenario. */
export function table(rows: { name: string; target: string; figures: Figures }[]): string {
  const header = [
    'scenario',
    'stored/s',
    'delivered/s',
    'ratio to bare route',
    'target',
    'prepare p50/p99/max ms',
    'commit p50/p99/max ms',
    'end to end p50/p99/max ms',
    'commit to receipt ms',
    'CPU µs a message',
    'statements, commits, redo bytes a message',
    'broker peak MiB',
    'messages a gathered call',
  ];
  const lines = rows.map(({ name, target, figures }) => [
    name,
    number(figures.storedPerSecond),
    number(figures.deliveredPerSecond),
    number(figures.ratioToBareRoute, 3),
    target,
    times(figures.prepareMs),
    times(figures.commitMs),
    times(figures.endToEndMs),
    times(figures.commitToReceiptMs),
    Object.entries(figures.cpuMicrosPerMessage ?? {})
      .map(([process, micros]) => `${process} ${micros.toFixed(0)}`)
      .join(', '),
    figures.database
      ? `${figures.database.statements.toFixed(2)}, ${figures.database.commits.toFixed(3)}, ${figures.database.redoBytes.toFixed(0)}`
      : '',
    number(figures.brokerPeakMiB),
    number(figures.gathered),
  ]);
  return [header, header.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

export function machine(): Record<string, unknown> {
  return {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
  };
}

import { markdown } from './markdown.js';
import type { PeerFigures, PeerResult } from './peer.js';

const header = [
  'peer',
  'transactions delivered/s',
  'plain sends stored/s',
  'plain sends delivered/s',
  'end to end p50/p99/max ms',
  'commit to consumer at 200/s p50/p99 ms',
  'CPU µs a message',
  'memory idle/peak MiB',
  'start s',
  'idle CPU %',
  'flushed',
];

/** A Markdown table of the other systems, a row each, and below it what a reader has to know of the figures. */
export function peerTable(peers: readonly PeerResult[]): string {
  const rows = peers.map(({ name, figures, leftOut }) =>
    figures
      ? [`${name} (${figures.version ?? 'unknown version'})`, ...cells(figures)]
      : [name, `left out: ${leftOut ?? 'not measured'}`, ...Array.from({ length: header.length - 2 }, () => '')],
  );
  const notes = peers.flatMap(({ name, figures }) => (figures?.notes ?? []).map((note) => `- ${name}: ${note}`));
  return [markdown(header, rows), ...(notes.length > 0 ? ['', ...notes] : [])].join('\n');
}

function cells(figures: PeerFigures): string[] {
  const { endToEndMs, commitToReceiptMs, brokerIdleMiB, brokerPeakMiB, idleCpuShare } = figures;
  return [
    rate(figures.transactionalPerSecond, figures.transactionalBy),
    rate(figures.plainStoredPerSecond, figures.plainStoredBy),
    rate(figures.plainDeliveredPerSecond),
    slashed([endToEndMs?.p50, endToEndMs?.p99, endToEndMs?.max], 1),
    slashed([commitToReceiptMs?.p50, commitToReceiptMs?.p99], 1),
    named(figures.cpuMicrosPerMessage),
    slashed([brokerIdleMiB, brokerPeakMiB], 0),
    digits(figures.startToReadySeconds, 1),
    digits(idleCpuShare === undefined ? undefined : idleCpuShare * 100, 1),
    figures.durability ?? '',
  ];
}

/** The best rate, with all that were tried. */
function rate(best: number | undefined, tried?: Record<string, number>): string {
  return tried === undefined ? digits(best, 0) : `${digits(best, 0)} (${named(tried)})`;
}

function named(values: Record<string, number> = {}): string {
  return Object.entries(values)
    .map(([name, value]) => `${name} ${digits(value, 0)}`)
    .join(', ');
}

function slashed(values: (number | undefined)[], places: number): string {
  return values
    .filter((value) => value !== undefined)
    .map((value) => digits(value, places))
    .join(' / ');
}

function digits(value: number | undefined, places: number): string {
  return value === undefined ? '' : value.toFixed(places);
}

import type { Percentiles } from '../histogram.js';
import { cpuSeconds } from '../process-usage.js';
import type { Window } from '../scenario.js';
import type { Program } from './program.js';

/** What the load program of a peer tells of one run, as the event `figures`. Times are milliseconds. */
export interface LoadFigures {
  /** Length of the window. */
  seconds: number;
  /** Sends, or transactions, that were answered inside the window, and messages that its consumer got in it. */
  stored: number;
  delivered: number;
  /** From the first call of a message to its consumer. */
  endToEndMs?: Percentiles;
  /** From the call that commits to the consumer. */
  commitToReceiptMs?: Percentiles;
  /** Answered and not yet delivered when the window closed. */
  backlogAtEnd: number;
  /** Answered and not delivered 30 s after the last call either. */
  neverDelivered: number;
  /** Messages delivered more than once, calls that failed, and times the producer was asked how a transaction ended. */
  duplicates: number;
  errors: number;
  checks: number;
}

export interface MeasuredLoad extends LoadFigures {
  cpuMicrosPerMessage: Record<string, number>;
}

/** Of a window in which nothing was delivered. */
const noTimes = { endToEndMs: undefined, commitToReceiptMs: undefined };

/** How long a load program may take after its window has closed: it waits up to 30 s for the backlog. */
const drainMsMax = 60_000;

/**
 * Follows one run of a load program, which tells `opened` and `closed` when its window does, and `figures` at its end.
 * `pids` are the processes whose CPU is counted, by name.
 */
export async function measureLoad(
  load: Program,
  pids: Record<string, number | undefined>,
  window: Window,
): Promise<MeasuredLoad> {
  const withinMs = (window.warmUpSeconds + window.seconds) * 1000 + drainMsMax;
  const sample = () =>
    Object.entries({ ...pids, load: load.pid }).map(([name, pid]) => [name, cpuSeconds(pid)] as const);
  await load.event('opened', withinMs);
  const before = new Map(sample());
  await load.event('closed', withinMs);
  const after = sample();
  const figures = await load.event<LoadFigures>('figures', withinMs);
  if (figures.delivered === 0) return { ...figures, ...noTimes, cpuMicrosPerMessage: {} };
  const micros = after.map(([name, cpu]) => [name, ((cpu - before.get(name)!) * 1e6) / figures.delivered] as const);
  return { ...figures, cpuMicrosPerMessage: Object.fromEntries(micros.filter(([, cpu]) => cpu > 0)) };
}

/** Messages/s that the consumer got in the window; throws where it got none, which is no rate to compare with. */
export function deliveredPerSecond({ delivered, seconds }: LoadFigures): number {
  if (delivered === 0) throw new Error('nothing was delivered while the window was open');
  return delivered / seconds;
}

/** What a reader of the figures has to know, in words; nothing where all went well. */
export function notesOn(what: string, figures: LoadFigures): string[] {
  const { delivered, backlogAtEnd, neverDelivered, duplicates, errors, checks } = figures;
  const parts = [
    delivered === 0 ? 'nothing was delivered while the window was open' : '',
    backlogAtEnd > 1000 ? `${backlogAtEnd} waited when the window closed` : '',
    neverDelivered > 0 ? `${neverDelivered} were not delivered within 30 s of the end` : '',
    duplicates > 0 ? `${duplicates} came twice` : '',
    checks > 0 ? `${checks} needless check-backs` : '',
    errors > 0 ? `${errors} calls failed` : '',
  ].filter((part) => part !== '');
  return parts.length === 0 ? [] : [`${what}: ${parts.join(', ')}`];
}

import type { Percentiles } from './histogram.js';

/**
 * What one run of a scenario measured. Rates are per second of the window, times are milliseconds, `PerMessage` is per
 * delivered message, or per stored one where nobody consumes. A figure that a scenario does not have is absent.
 */
export interface Figures {
  /** Messages that a consumer received inside the window; one that comes again does not count. */
  deliveredPerSecond?: number;
  /** Messages whose send, or commit, was answered inside the window. */
  storedPerSecond?: number;
  /** Their bodies, in 10^6 bytes. */
  storedMBPerSecond?: number;
  prepareMs?: Percentiles;
  commitMs?: Percentiles;
  /** From the call that begins a message's transaction (in an open loop: from when it was to begin) to the consumer. */
  endToEndMs?: Percentiles;
  /** From the commit call to the consumer. */
  commitToReceiptMs?: Percentiles;
  /** Share of one core, by process. */
  cpu?: Record<string, number>;
  cpuMicrosPerMessage?: Record<string, number>;
  /** Of MariaDB or MySQL, by its own counters. */
  database?: { statementsPerMessage: number; commitsPerMessage: number; redoBytesPerMessage: number };
  /** Bytes that processes had written to files, by process, as the kernel counts them. */
  writtenBytesPerMessage?: Record<string, number>;
  /** Largest resident memory, by process, MiB. */
  peakMiB?: Record<string, number>;
  /** Messages that one gathered call of the client held in the mean. */
  gathered?: number;
  /** Committed and not delivered when the window closed. */
  backlogAtEnd?: number;
  duplicates?: number;
  /** Calls of the load that were not answered as they should be. */
  errors?: number;
  /** What only this scenario measures, by name with its unit. */
  own?: Record<string, number>;
}

/** Reads `endToEndMs.p50` out of figures; undefined where it is not there. */
export function figureAt(figures: Figures, path: string): number | undefined {
  let value: unknown = figures;
  for (const key of path.split('.')) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/** Every number in the figures with its path. */
export function allFigures(figures: Figures): [path: string, value: number][] {
  const found: [string, number][] = [];
  const look = (value: unknown, path: string): void => {
    if (typeof value === 'number') found.push([path, value]);
    else if (typeof value === 'object' && value !== null) {
      for (const [key, inner] of Object.entries(value)) look(inner, path === '' ? key : `${path}.${key}`);
    }
  };
  look(figures, '');
  return found;
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

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

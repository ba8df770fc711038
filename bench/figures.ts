/** What one run of a scenario measured. Rates are per second of the window; times are milliseconds. */
export interface Figures {
  /** Messages whose send, or commit, was answered inside the window. */
  storedPerSecond?: number;
  /** Messages that one gathered call of the client held in the mean. */
  gathered?: number;
  /** Messages that a consumer settled inside the window. */
  deliveredPerSecond?: number;
  /** Half of the bare route's requests/s is what one transactional message over HTTP could reach at most: it takes two requests. */
  ratioToBareRoute?: number;
  prepareMs?: Percentiles;
  commitMs?: Percentiles;
  endToEndMs?: Percentiles;
  /** From the commit call to the consumer. */
  commitToReceiptMs?: Percentiles;
  /** Share of one core, by process. */
  cpu?: Record<string, number>;
  /** CPU microseconds per delivered message, by process. */
  cpuMicrosPerMessage?: Record<string, number>;
  /** Statements, commits and redo bytes of the database per delivered message. */
  database?: { statements: number; commits: number; redoBytes: number };
  /** Largest resident memory of the broker, MiB. */
  brokerPeakMiB?: number;
  /** Committed and not delivered when the window closed. */
  backlogAtEnd?: number;
  errors?: number;
}

export interface Percentiles {
  p50: number;
  p99: number;
  max: number;
}

/** Nearest-rank percentiles; NaN for an empty sample. */
export function percentiles(samples: number[]): Percentiles {
  const sorted = Float64Array.from(samples).sort();
  const at = (rank: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * rank))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), max: sorted.at(-1) ?? Number.NaN };
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

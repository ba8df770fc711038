import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { figureAt, median, type Figures } from './figures.js';
import type { PeerResult } from './peer.js';

/** One scenario of a run. */
export interface Row {
  id: string;
  title: string;
  /** Medians of the runs; absent where none succeeded. */
  figures?: Figures;
  /** Each run by itself. */
  runs: Figures[];
  /** Of the runs that failed. */
  failures: string[];
  /** Requests/s of the bare route before and after each run. */
  bareRoute: number[];
}

/** What a run of the benchmark writes to its file. */
export interface ResultsFile {
  at: string;
  machine: Record<string, unknown>;
  flags: Record<string, unknown>;
  peers: PeerResult[];
  rows: Row[];
}

/** Everything that a run has measured so far. It is in the file after each step, whatever happens later. */
export class Results implements ResultsFile {
  readonly at = new Date().toISOString();
  readonly peers: PeerResult[] = [];
  readonly rows: Row[] = [];

  constructor(
    readonly machine: Record<string, unknown>,
    readonly flags: Record<string, unknown>,
    private readonly path: string,
  ) {}

  /** The median of all measurements; undefined before the first. */
  get bareRouteRequestsPerSecond(): number | undefined {
    const all = this.rows.flatMap(({ bareRoute }) => bareRoute);
    return all.length > 0 ? median(all) : undefined;
  }

  /** A figure of a scenario; undefined where it was not measured. */
  figure(id: string, path: string): number | undefined {
    const figures = this.rows.find((row) => row.id === id)?.figures;
    return figures && figureAt(figures, path);
  }

  write(): void {
    const { at, machine, flags, peers, rows } = this;
    const file: ResultsFile = { at, machine, flags, peers, rows };
    mkdirSync(dirname(this.path), { recursive: true });
    // A run that is interrupted while it writes leaves the file before.
    writeFileSync(`${this.path}.new`, JSON.stringify(file, null, 2));
    renameSync(`${this.path}.new`, this.path);
  }
}

/** @throws Error that names the file, where it is not one of this benchmark */
export function readResults(path: string): ResultsFile {
  const file = JSON.parse(readFileSync(path, 'utf8')) as Partial<ResultsFile>;
  if (!Array.isArray(file.rows) || file.rows.some(({ id }) => typeof id !== 'string')) {
    throw new Error(`${path} holds no results of this benchmark`);
  }
  return file as ResultsFile;
}

import { closeSync, existsSync, fdatasync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs';

const flushMs = 100;

/**
 * A log of JSON lines that a process keeps of itself. When `write` returns, the record survives a kill of the process, and
 * with `flushes` a loss of power too; without it that follows within `flushMs`.
 */
export class Journal<Entry extends object> {
  readonly #file: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    readonly path: string,
    private readonly flushes: boolean,
  ) {
    this.#file = openSync(path, 'a');
  }

  /** Writes one record, with the time (epoch ms). */
  write(entry: Entry): void {
    writeSync(this.#file, `${JSON.stringify({ at: Date.now(), ...entry })}\n`);
    if (this.flushes) fdatasyncSync(this.#file);
    else {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        fdatasync(this.#file, () => undefined);
      }, flushMs).unref();
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    fdatasyncSync(this.#file);
    closeSync(this.#file);
  }
}

export type Written<Entry> = Entry & { at: number };

/** The records of a journal in their order. Of a process that was killed while it wrote, the last line may be cut off: that record does not count. */
export function readJournal<Entry extends object>(path: string): Written<Entry>[] {
  if (!existsSync(path)) return [];
  const entries: Written<Entry>[] = [];
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    if (line === '') continue;
    try {
      entries.push(JSON.parse(line) as Written<Entry>);
    } catch {
      // Cut off by a kill; the next record follows on the same line, and must not be lost with it.
      const next = line.indexOf('{"at":', 1);
      if (next > 0) entries.push(JSON.parse(line.slice(next)) as Written<Entry>);
    }
  }
  return entries;
}

import { closeSync, existsSync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs';

/** A log of JSON lines that a process keeps of itself: each record is flushed before `write` returns. */
export class Journal<Entry extends object> {
  readonly #file: number;

  constructor(readonly path: string) {
    this.#file = openSync(path, 'a');
  }

  /** Writes one record, with the time (epoch ms). */
  write(entry: Entry): void {
    writeSync(this.#file, `${JSON.stringify({ at: Date.now(), ...entry })}\n`);
    fdatasyncSync(this.#file);
  }

  close(): void {
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

import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { delay, onSqliteInMemory, onSqliteWithBull, type Fault, type Stage } from './fault.js';
import { sqliteFullPages } from './sqlite-full-pages.js';

const sizeMib = 48;

/** Writes until nothing more fits. */
function fill(path: string): void {
  const file = openSync(path, 'w');
  try {
    for (let chunk = 1 << 20; chunk > 0; chunk >>= 1) {
      try {
        for (;;) if (writeSync(file, Buffer.alloc(chunk)) < chunk) break;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    }
  } finally {
    closeSync(file);
  }
}

/** Why no tmpfs can be mounted there; undefined when it is. */
function mountTmpfs(disk: string): string | undefined {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMib}m`, 'tmpfs', disk], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    // The second line is what `mount` itself says.
    return `no tmpfs can be mounted: ${(error as Error).message.split('\n', 2).at(-1)}`;
  }
}

export const sqliteFull: Fault = {
  name: 'sqlite.disk-full.tmpfs',
  what: `the store's file lies in a tmpfs of ${sizeMib} MiB, which another file fills to the last byte for 1 to 4 s; where none can be mounted (needs root), ${sqliteFullPages.name} strikes instead`,
  places: [onSqliteInMemory, onSqliteWithBull],
  prepare: async (context): Promise<Stage> => {
    const disk = join(context.folder, 'disk');
    mkdirSync(disk, { recursive: true });
    const why = mountTmpfs(disk);
    if (why !== undefined) {
      const { name, prepare } = sqliteFullPages;
      return { ...(await prepare(context)), fallback: { name, why } };
    }
    return {
      scene: { storeAt: `sqlite:${join(disk, 'halfbox.db')}` },
      strike: async ({ random }) => {
        const at = Date.now();
        const until = at + random.integer(1_000, 4_000);
        // A log that is emptied in between makes room once more.
        while (Date.now() < until) {
          fill(join(disk, `filler-${Date.now()}`));
          await delay(100);
        }
        for (const file of execFileSync('ls', [disk], { encoding: 'utf8' }).split('\n'))
          if (file.startsWith('filler-')) rmSync(join(disk, file));
        return { at, healedAt: Date.now() };
      },
      // Lazily: a reader's handle that was closed keeps its file open until it is collected.
      close: async () => void execFileSync('umount', ['--lazy', disk]),
    };
  },
};

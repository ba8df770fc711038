import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { delay, onSqliteInMemory, onSqliteWithBull, type Fault, type Stage } from './fault.js';

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

export const sqliteFull: Fault = {
  name: 'sqlite.disk-full.tmpfs',
  what: `the store's file lies in a tmpfs of ${sizeMib} MiB, which another file fills to the last byte for 1 to 4 s (needs root)`,
  places: [onSqliteInMemory, onSqliteWithBull],
  prepare: async ({ folder }): Promise<Stage> => {
    const disk = join(folder, 'disk');
    mkdirSync(disk, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMib}m`, 'tmpfs', disk]);
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
      close: async () => void execFileSync('umount', [disk]),
    };
  },
};

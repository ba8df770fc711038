import type { FullAnswer, FullMessage } from '../preload/full-store.js';
import { delay, onSqliteInMemory, onSqliteWithBull, until, type Fault } from './fault.js';

export const sqliteFullPages: Fault = {
  name: 'sqlite.disk-full.max-page-count',
  what: 'PRAGMA max_page_count lets the file not grow, for 1 to 4 s and until a write was refused as on a full disk',
  places: [onSqliteInMemory, onSqliteWithBull],
  prepare: async () => ({
    scene: { preloads: ['./preload/full-store.js'] },
    strike: async ({ scene, random }) => {
      const broker = scene.brokers[0]!;
      const tell = (message: Omit<FullMessage, 'id'>): Promise<FullAnswer> => broker.ask<FullAnswer>(message);
      const at = Date.now();
      const { refused: before } = await tell({ storeFull: true });
      await delay(random.integer(1_000, 4_000));
      await until('a write is refused', async () => (await tell({ storeFull: true })).refused > before);
      await tell({ storeFull: false });
      return { at, healedAt: Date.now() };
    },
  }),
};

import { runSql } from '../database.js';
import { fillRolledBack } from '../fill.js';
import { pullConsumer } from '../consumers.js';
import { measure } from '../measure.js';
import { Rig } from '../rig.js';
import { scaled, type Scenario } from '../scenario.js';

export const retention: Scenario[] = [
  {
    id: 'retention/rolled-back',
    title: 'single-message HTTP, 128 connections → batched pull, while 1,000,000 rolled-back messages are deleted',
    runsMax: 1,
    run: (trial) =>
      Rig.use(
        trial.servers,
        { store: 'mysql', environment: { HALFBOX_RETENTION_INTERVAL_MS: '1000' } },
        async (rig) => {
          const count = scaled(trial, 1_000_000);
          await fillRolledBack(rig, count);
          const consumer = await pullConsumer(rig);
          const left = async () => {
            const [row] = await runSql<{ left: number }>(
              rig.storeUrl,
              'SELECT COUNT(*) AS `left` FROM halfbox_transaction WHERE state = 2',
            );
            return row!.left;
          };
          const load = rig.worker('load', 'load-http', { urls: rig.urls, connections: 128, shape: { bodyBytes: 256 } });
          const startedAt = performance.now();
          const more = async () => {
            const rest = await left();
            const seconds = (performance.now() - startedAt) / 1000;
            return { own: { 'messages/s deleted beside it': (count - rest) / seconds, 'left at the end': rest } };
          };
          return measure(rig, { loads: [load], consumers: [consumer], more }, trial.window);
        },
      ),
  },
];

import { pullConsumer } from '../consumers.js';
import { measure } from '../measure.js';
import { Rig } from '../rig.js';
import type { Scenario } from '../scenario.js';

const bodyBytes = 256;

/** What a client of one's own reaches that sends its transactions in batch calls. */
export const batchHttp: Scenario[] = [
  {
    id: 'batch/pull',
    title: 'batch HTTP, 50 a call, 8 connections → batched pull',
    run: ({ servers, window }) =>
      Rig.use(servers, { store: 'mysql' }, async (rig) => {
        const consumer = await pullConsumer(rig);
        const shape = { bodyBytes };
        const load = rig.worker('load', 'load-batch', { url: rig.url, connections: 8, perCall: 50, shape });
        return measure(rig, { loads: [load], consumers: [consumer] }, window);
      }),
  },
];

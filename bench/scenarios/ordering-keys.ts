import { pullConsumer } from '../consumers.js';
import { measure } from '../measure.js';
import { Rig } from '../rig.js';
import { scaled, type Scenario } from '../scenario.js';

export const orderingKeys: Scenario[] = [
  {
    id: 'order/keys-100000',
    title: 'single-message HTTP, 128 connections, 100,000 ordering keys → batched pull',
    run: (trial) =>
      Rig.use(trial.servers, { store: 'mysql', redis: true }, async (rig) => {
        const consumer = await pullConsumer(rig);
        const shape = { bodyBytes: 256, orderingKeys: scaled(trial, 100_000) };
        const load = rig.worker('load', 'load-http', { urls: rig.urls, connections: 128, shape });
        return measure(rig, { loads: [load], consumers: [consumer] }, trial.window);
      }),
  },
];

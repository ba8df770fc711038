import { pullConsumer } from '../consumers.js';
import { measure } from '../measure.js';
import { Rig } from '../rig.js';
import type { Scenario } from '../scenario.js';

/** The load of `http/pull-128`, its connections and those of its consumer spread evenly over two brokers. */
export const brokers: Scenario[] = [
  {
    id: 'brokers/two',
    title: 'single-message HTTP, 128 connections over two brokers on one database → batched pull',
    run: ({ servers, window }) =>
      Rig.use(servers, { store: 'mysql', redis: true, brokers: 2 }, async (rig) => {
        const consumer = await pullConsumer(rig);
        const load = rig.worker('load', 'load-http', { urls: rig.urls, connections: 128, shape: { bodyBytes: 256 } });
        return measure(rig, { loads: [load], consumers: [consumer] }, window);
      }),
  },
];

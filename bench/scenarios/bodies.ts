import { pullConsumer } from '../consumers.js';
import { measure } from '../measure.js';
import { Rig } from '../rig.js';
import type { Scenario } from '../scenario.js';

const sizes = [
  { name: '256B', bodyBytes: 256, connections: 64 },
  { name: '16KiB', bodyBytes: 16 * 1024, connections: 64 },
  { name: '1MiB', bodyBytes: 1024 * 1024, connections: 8 },
];

/** How bodies of several sizes are stored: prepared and committed over HTTP, and consumed beside it or not. */
export const bodies: Scenario[] = sizes.flatMap(({ name, bodyBytes, connections }) => [
  {
    id: `bodies/${name}-stored`,
    title: `single-message HTTP, bodies of ${name}, ${connections} connections, nobody consumes`,
    run: ({ servers, window }) =>
      Rig.use(servers, { store: 'mysql' }, async (rig) => {
        await rig.topic();
        const load = rig.worker('load', 'load-http', { urls: rig.urls, connections, shape: { bodyBytes } });
        return measure(rig, { loads: [load], bodyBytes }, window);
      }),
  },
  {
    id: `bodies/${name}-delivered`,
    title: `single-message HTTP, bodies of ${name}, ${connections} connections → batched pull`,
    run: ({ servers, window }) =>
      Rig.use(servers, { store: 'mysql' }, async (rig) => {
        const consumer = await pullConsumer(rig);
        const load = rig.worker('load', 'load-http', { urls: rig.urls, connections, shape: { bodyBytes } });
        return measure(rig, { loads: [load], consumers: [consumer], bodyBytes }, window);
      }),
  },
]);

import { measure } from '../measure.js';
import { Rig } from '../rig.js';
import type { Scenario } from '../scenario.js';

/** The same load as of `http/pull-128` and `http/bull-128`, pushed to an HTTP server. */
export const push: Scenario[] = [
  {
    id: 'http/push-128',
    title: 'single-message HTTP, 128 connections → push, 128 at once',
    run: ({ servers, window }) =>
      Rig.use(servers, { store: 'mysql' }, async (rig) => {
        await rig.topic();
        const consumer = rig.worker('consumer', 'consume-push', {});
        const url = await consumer.call<string>('url');
        await rig.subscription('push', { mode: 'push', push: { url, concurrency: 128 } });
        const shape = { bodyBytes: 256 };
        const load = rig.worker('load', 'load-http', { urls: rig.urls, connections: 128, shape });
        return measure(rig, { loads: [load], consumers: [consumer] }, window);
      }),
  },
];

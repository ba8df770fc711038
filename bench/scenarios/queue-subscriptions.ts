import { setTimeout as delay } from 'node:timers/promises';
import { eachOf } from '../each-of.js';
import { used } from '../measure.js';
import { residentMiB } from '../process-usage.js';
import { redisConnections } from '../redis.js';
import { Rig } from '../rig.js';
import { scaled, type Scenario } from '../scenario.js';

export const queueSubscriptions: Scenario[] = [
  {
    id: 'subscriptions/queue-1000',
    title: '1,000 idle subscriptions of mode queue: connections to Redis, CPU and memory of the broker',
    runsMax: 1,
    run: (trial) =>
      Rig.use(trial.servers, { store: 'mysql', redis: true }, async (rig) => {
        const count = scaled(trial, 1_000);
        const before = await redisConnections(trial.servers.redisUrl);
        await eachOf(
          Array.from({ length: count }, (_, index) => `queue-${index}`),
          async (topic) => {
            await rig.topic(topic);
            await rig.subscription('workers', { mode: 'queue' }, topic);
          },
        );
        await delay(5_000);
        const usage = await rig.usage();
        const startedAt = performance.now();
        await delay(Math.max(1, trial.window.seconds) * 1000);
        const seconds = (performance.now() - startedAt) / 1000;
        const { cpu = {} } = used(usage, await rig.usage(), seconds, 1);
        return {
          cpu,
          own: {
            'connections to Redis': await redisConnections(trial.servers.redisUrl),
            'of which the broker had without subscriptions': before,
            'broker MiB': residentMiB(rig.brokers[0]!.pid),
          },
        };
      }),
  },
];

import { eachOf } from '../each-of.js';
import type { Figures } from '../figures.js';
import { measure } from '../measure.js';
import { Rig } from '../rig.js';
import { scaled, type Scenario, type Trial } from '../scenario.js';

async function run(trial: Trial, topics: number, busy: number, together = false): Promise<Figures> {
  const { servers, window } = trial;
  return Rig.use(servers, { store: 'mysql', redis: true }, async (rig) => {
    const names = Array.from({ length: topics }, (_, index) => `bench-${index}`);
    await eachOf(names, async (name) => {
      await rig.topic(name);
      await rig.subscription('pull', { mode: 'pull', maxInFlight: 2_000 }, name);
    });
    const consumer = rig.worker('consumer', 'consume-pull', {
      urls: rig.urls,
      subscriptions: names.slice(0, busy).map((topic) => ({ topic, group: 'pull' })),
      max: 200,
      connections: busy === 1 ? 2 : 1,
      together,
    });
    const shape = { bodyBytes: 256, topics: busy };
    const load = rig.worker('load', 'load-http', { urls: rig.urls, connections: 128, shape });
    return measure(rig, { loads: [load], consumers: [consumer] }, window);
  });
}

/** The load of `http/pull-128` on a store of many topics, each with a subscription. */
export const topics: Scenario[] = [
  {
    id: 'topics/1000-one-busy',
    title: 'single-message HTTP, 128 connections → batched pull, one busy topic of 1,000 with a subscription each',
    run: (trial) => run(trial, scaled(trial, 1_000), 1),
  },
  {
    id: 'topics/1000-all-busy',
    title:
      'single-message HTTP, 128 connections, spread over 1,000 topics → a pulled subscription each, received in calls for all',
    run: (trial) => run(trial, scaled(trial, 1_000), scaled(trial, 1_000), true),
  },
  {
    id: 'topics/1000-all-busy-apart',
    title: 'the same, each subscription received from by calls of its own',
    run: (trial) => run(trial, scaled(trial, 1_000), scaled(trial, 1_000)),
  },
];

import { pullConsumer } from '../consumers.js';
import { measure } from '../measure.js';
import { Rig } from '../rig.js';
import type { Scenario } from '../scenario.js';

const shape = { bodyBytes: 256 };

/** So many subscriptions of one topic, each of which gets every message. */
function ofOneTopic(count: number): Scenario {
  return {
    id: `subscriptions/of-one-topic-${count}`,
    title: `batch HTTP → ${count} pulled subscription${count > 1 ? 's' : ''} of one topic (figures count deliveries)`,
    run: ({ servers, window }) =>
      Rig.use(servers, { store: 'mysql' }, async (rig) => {
        await rig.topic();
        const groups = Array.from({ length: count }, (_, index) => `pull-${index}`);
        for (const group of groups) await rig.subscription(group, { mode: 'pull', maxInFlight: 2_000 });
        const consumer = rig.worker('consumer', 'consume-pull', {
          urls: rig.urls,
          subscriptions: groups.map((group) => ({ topic: 'bench', group })),
          max: 200,
          connections: 1,
        });
        // So few callers that 100 subscriptions can keep up: each message is read and settled once for each of them.
        const connections = count > 10 ? 1 : 4;
        const perCall = count > 10 ? 10 : 50;
        const load = rig.worker('load', 'load-batch', { url: rig.url, connections, perCall, shape });
        return measure(rig, { loads: [load], consumers: [consumer], fanOut: count }, window);
      }),
  };
}

/** The load of `http/pull-128`, beside so many subscriptions that get nothing: each of a topic of its own. */
const besideIdle: Scenario = {
  id: 'subscriptions/idle-100',
  title: 'single-message HTTP, 128 connections → batched pull, beside 100 idle subscriptions of other topics',
  run: ({ servers, window }) =>
    Rig.use(servers, { store: 'mysql', redis: true }, async (rig) => {
      for (let index = 0; index < 100; index += 1) {
        await rig.topic(`idle-${index}`);
        await rig.subscription('pull', { mode: 'pull' }, `idle-${index}`);
      }
      const consumer = await pullConsumer(rig);
      const load = rig.worker('load', 'load-http', { urls: rig.urls, connections: 128, shape });
      return measure(rig, { loads: [load], consumers: [consumer] }, window);
    }),
};

export const subscriptions: Scenario[] = [ofOneTopic(1), ofOneTopic(10), ofOneTopic(100), besideIdle];

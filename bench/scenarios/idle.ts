import { setTimeout as delay } from 'node:timers/promises';
import { eachOf } from '../each-of.js';
import type { Figures } from '../figures.js';
import { used } from '../measure.js';
import { residentMiB } from '../process-usage.js';
import { Rig } from '../rig.js';
import { scaled, type Scenario, type Trial } from '../scenario.js';

/** A broker that has just started has work left; then it idles. */
const settleMs = 10_000;
/** CPU time is counted in hundredths of a second, so an idle process needs a while. */
const idleMsLeast = 10_000;

/** What brokers and servers use while nothing is asked of them, and what is resident in the first broker. */
export async function idling(rig: Rig, trial: Trial): Promise<Figures> {
  await delay(Math.min(settleMs, trial.window.seconds * 1000));
  const before = await rig.usage();
  const startedAt = performance.now();
  await delay(idleMsLeast);
  const seconds = (performance.now() - startedAt) / 1000;
  const after = await rig.usage();
  const { cpu = {} } = used(before, after, seconds, 1);
  const statements = after.database!.statements - before.database!.statements;
  return {
    cpu: { broker: 0, ...cpu },
    own: { 'statements/s': statements / seconds, 'broker MiB': residentMiB(rig.brokers[0]!.pid) },
  };
}

export const idle: Scenario[] = [
  {
    id: 'idle/start',
    title: 'start to ready on MariaDB and Redis, first on an empty database, then again; memory of the idle broker',
    run: (trial) =>
      Rig.use(trial.servers, { store: 'mysql', redis: true, brokers: 0 }, async (rig) => {
        const { startSeconds: first } = await rig.startBroker();
        await rig.stopBrokers();
        const { startSeconds: again, pid } = await rig.startBroker();
        await delay(Math.min(settleMs, trial.window.seconds * 1000));
        return {
          own: { 'seconds to ready': again, 'seconds to ready, empty database': first, 'broker MiB': residentMiB(pid) },
        };
      }),
  },
  {
    id: 'idle/subscriptions-100',
    title: 'an idle broker with 100 pull subscriptions of 100 topics on MariaDB and Redis',
    run: (trial) =>
      Rig.use(trial.servers, { store: 'mysql', redis: true }, async (rig) => {
        const topics = Array.from({ length: scaled(trial, 100, 10) }, (_, index) => `idle-${index}`);
        await eachOf(topics, async (topic) => {
          await rig.topic(topic);
          await rig.subscription('pull', { mode: 'pull' }, topic);
        });
        return idling(rig, trial);
      }),
  },
];

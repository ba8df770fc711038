import { setTimeout as delay } from 'node:timers/promises';
import { eachOf } from '../each-of.js';
import { median, type Figures } from '../figures.js';
import { copySubscriptions, freeSubscriptions } from '../fill-subscriptions.js';
import { Rig } from '../rig.js';
import { scaled, type Scenario, type Trial } from '../scenario.js';
import { idling } from './idle.js';

const groups = 100;
/** Subscriptions that get a message right after the start, drawn at random. */
const drawn = 10;
const startMsMax = 600_000;

interface Received {
  deliveries: unknown[];
}

/** Sends a message to a topic and asks for it until it comes, also while no broker has the subscription yet. */
async function firstMessage(rig: Rig, topic: string, group: string): Promise<void> {
  await rig.call('POST', '/v1/messages', { topic, body: 'first' });
  const deadline = performance.now() + startMsMax;
  for (;;) {
    try {
      const path = `/v1/subscriptions/${topic}/${group}/receive`;
      const { deliveries } = await rig.call<Received>('POST', path, { max: 1, waitMs: 1_000 });
      if (deliveries.length > 0) return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    if (performance.now() > deadline) throw new Error(`${topic}/${group} got no message within ${startMsMax} ms`);
    await delay(20);
  }
}

async function untilAllOwned(rig: Rig): Promise<void> {
  const deadline = performance.now() + startMsMax;
  for (;;) {
    const free = await freeSubscriptions(rig);
    if (free === 0) return;
    if (performance.now() > deadline) throw new Error(`${free} subscriptions have no owner after ${startMsMax} ms`);
    await delay(250);
  }
}

async function run(trial: Trial): Promise<Figures> {
  return Rig.use(trial.servers, { store: 'mysql', redis: true }, async (rig) => {
    const topics = Array.from({ length: scaled(trial, 1_000, drawn) }, (_, index) => `idle-${index}`);
    await eachOf(topics, async (topic) => {
      await rig.topic(topic);
      await rig.subscription('group-0', { mode: 'pull' }, topic);
    });
    await rig.stopBrokers();
    await copySubscriptions(rig, groups);
    const startedAt = performance.now();
    const since = () => (performance.now() - startedAt) / 1_000;
    const { startSeconds } = await rig.startBroker();
    const asked = Array.from({ length: drawn }, () => ({
      topic: topics[Math.floor(Math.random() * topics.length)]!,
      group: `group-${Math.floor(Math.random() * groups)}`,
    }));
    const secondsToFirst: number[] = [];
    const firsts = eachOf(asked, async ({ topic, group }) => {
      await firstMessage(rig, topic, group);
      secondsToFirst.push(since());
    });
    const [, ownedSeconds] = await Promise.all([firsts, untilAllOwned(rig).then(since)]);
    const { cpu, own } = await idling(rig, trial);
    return {
      cpu: cpu!,
      own: {
        ...own,
        'cores of the broker': cpu!['broker']!,
        'seconds to ready': startSeconds,
        'seconds to the first message of a random one': median(secondsToFirst),
        [`the same, slowest of ${drawn}`]: Math.max(...secondsToFirst),
        'seconds until all are owned': ownedSeconds,
      },
    };
  });
}

export const idleSubscriptions: Scenario[] = [
  {
    id: 'idle/subscriptions-100000',
    title: `an idle broker with 100,000 pull subscriptions (1,000 topics × ${groups}) on MariaDB and Redis: its start, CPU and memory`,
    runsMax: 1,
    run,
  },
];

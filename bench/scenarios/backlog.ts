import { setTimeout as delay } from 'node:timers/promises';
import type { Worker } from '../children.js';
import { median, type Figures } from '../figures.js';
import { fillBacklog } from '../fill.js';
import { used, type Counts } from '../measure.js';
import { Rig } from '../rig.js';
import { scaled, type Scenario, type Trial } from '../scenario.js';

/** Delivered in one round, whose rate is one sample. */
const roundMessages = 10_000;
const roundMsMax = 60_000;
const warmUpRounds = 5;
const rounds = 15;

/** Resolves once so many have been delivered in all, with how many these are. */
async function untilDelivered(consumer: Worker, wanted: number): Promise<number> {
  const deadline = performance.now() + roundMsMax;
  for (;;) {
    const { delivered } = await consumer.call<Counts>('count');
    if (delivered! >= wanted) return delivered!;
    if (performance.now() > deadline) throw new Error(`${delivered} of ${wanted} were delivered in ${roundMsMax} ms`);
    await delay(2);
  }
}

/**
 * Pulls rounds of 10,000 messages as fast as it goes, after rounds that warm the broker up. With 10,000 waiting each round is a
 * topic of its own, which is drained; with 10 million all measured rounds are the first ones of one topic.
 */
async function run(trial: Trial, waiting: number): Promise<Figures> {
  const round = scaled(trial, roundMessages, 500);
  const isOne = waiting > roundMessages;
  const small = Array.from({ length: isOne ? warmUpRounds : warmUpRounds + rounds }, (_, index) => ({
    name: `small-${index}`,
    count: round,
  }));
  const topics = isOne ? [...small, { name: 'large', count: scaled(trial, waiting, (rounds + 2) * round) }] : small;
  return Rig.use(trial.servers, { store: 'mysql' }, async (rig) => {
    for (const { name } of topics) {
      await rig.topic(name);
      await rig.subscription('pull', { mode: 'pull', maxInFlight: 2_000 }, name);
    }
    const fillStartedAt = performance.now();
    await fillBacklog(rig, topics);
    const fillSeconds = (performance.now() - fillStartedAt) / 1000;
    await rig.startBroker();
    const options = { urls: rig.urls, subscriptions: [], max: 200, connections: 2 };
    const consumer = rig.worker('consumer', 'consume-pull', options);
    let delivered = 0;
    const take = async (topic: string | undefined): Promise<number> => {
      if (topic !== undefined) await consumer.call('consume', { topic, group: 'pull' });
      // From its first messages on: the first call on a subscription is not what is compared.
      const first = await untilDelivered(consumer, delivered + 1);
      const startedAt = performance.now();
      delivered += round;
      const last = await untilDelivered(consumer, delivered);
      return (last - first) / ((performance.now() - startedAt) / 1000);
    };
    for (let index = 0; index < warmUpRounds; index += 1) await take(`small-${index}`);
    const before = await rig.usage();
    const startedAt = performance.now();
    const samples: number[] = [];
    for (let index = 0; index < rounds; index += 1) {
      const another = isOne ? (index === 0 ? 'large' : undefined) : `small-${warmUpRounds + index}`;
      samples.push(await take(another));
    }
    const seconds = (performance.now() - startedAt) / 1000;
    const { duplicates } = await consumer.call<Counts>('count');
    return {
      deliveredPerSecond: median(samples),
      duplicates: duplicates!,
      own: { 'seconds to fill': fillSeconds },
      ...used(before, await rig.usage(), seconds, rounds * round),
      peakMiB: rig.peaks(),
    };
  });
}

/** Whether much that waits makes delivery slower, or the broker larger. */
export const backlog: Scenario[] = [
  {
    id: 'backlog/10-thousand',
    title: 'pull from a backlog of 10,000 (median of 15 rounds of 10,000)',
    run: (trial) => run(trial, roundMessages),
  },
  {
    id: 'backlog/10-million',
    title: 'pull from a backlog of 10,000,000 (median of 15 rounds of 10,000)',
    runsMax: 1,
    run: (trial) => run(trial, 10_000_000),
  },
];

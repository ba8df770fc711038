import { setTimeout as delay } from 'node:timers/promises';
import type { Worker } from '../children.js';
import type { Figures } from '../figures.js';
import { used, type Counts } from '../measure.js';
import { Rig } from '../rig.js';
import { scaled, type Scenario, type Trial } from '../scenario.js';
import { sendAll } from '../send.js';

const waiting = 60_000;

/** Messages of one ordering key wait before the consumer starts, so that the next one always can be given out at once. */
async function run(trial: Trial, consume: (rig: Rig) => Promise<Worker>): Promise<Figures> {
  const { servers, window } = trial;
  return Rig.use(servers, { store: 'mysql', redis: true }, async (rig) => {
    await rig.topic();
    const consumer = await consume(rig);
    const count = scaled(trial, waiting, 2_000);
    await sendAll(rig, count, { bodyBytes: 256, orderingKeys: 1 }, 0);
    await consumer.call('start');
    await delay(window.warmUpSeconds * 1000);
    const before = await rig.usage();
    const startedAt = performance.now();
    const begun = await consumer.call<Counts>('begin');
    await delay(window.seconds * 1000);
    const ended = await consumer.call<Counts>('end');
    const seconds = (performance.now() - startedAt) / 1000;
    if (ended.delivered === count) throw new Error(`all ${count} were delivered before the window ended`);
    const delivered = ended.delivered! - begun.delivered!;
    return {
      deliveredPerSecond: delivered / seconds,
      duplicates: ended.duplicates!,
      own: { 'ms between two messages of the key': (seconds * 1000) / delivered },
      ...used(before, await rig.usage(), seconds, delivered),
      peakMiB: rig.peaks(),
    };
  });
}

/** One ordering key, one message after another: what a round from the consumer's outcome to the next message costs. */
export const oneKey: Scenario[] = [
  {
    id: 'order/one-key-pull',
    title:
      'one ordering key, one message after another, by pull (ack → settled → order gate → waiting receive answered)',
    run: (trial) =>
      run(trial, async (rig) => {
        await rig.subscription('pull', { mode: 'pull' });
        // Two connections: one receive waits while the other one acknowledges.
        return rig.worker('consumer', 'consume-pull', { urls: rig.urls, max: 1, connections: 2, waits: true });
      }),
  },
  {
    id: 'order/one-key-bull',
    title:
      "one ordering key, one message after another, by Bull (job's end → Redis event → drained and settled → order gate → job added)",
    run: (trial) =>
      run(trial, async (rig) => {
        await rig.subscription('bull', { mode: 'queue' });
        const { redisUrl } = rig.servers;
        return rig.worker('consumer', 'consume-bull', { redisUrl, concurrency: 16, waits: true });
      }),
  },
];

import { setTimeout as delay } from 'node:timers/promises';
import { drain, used, type Counts } from '../measure.js';
import { Rig } from '../rig.js';
import { scaled, type Scenario } from '../scenario.js';
import { sendAll } from '../send.js';

const deadMsMax = 120_000;

async function untilDead(rig: Rig, count: number): Promise<void> {
  const deadline = Date.now() + deadMsMax;
  for (;;) {
    const { dead } = await rig.call<{ dead: number }>('GET', '/v1/subscriptions/bench/pull');
    if (dead >= count) return;
    if (Date.now() > deadline) throw new Error(`${dead} of ${count} messages became dead letters in ${deadMsMax} ms`);
    await delay(100);
  }
}

export const redrive: Scenario[] = [
  {
    id: 'dead-letters/redrive',
    title: 'redrive of 100,000 dead letters in one call → batched pull',
    runsMax: 1,
    run: (trial) =>
      Rig.use(trial.servers, { store: 'mysql' }, async (rig) => {
        const count = scaled(trial, 100_000);
        await rig.topic();
        await rig.subscription('pull', { mode: 'pull', maxAttempts: 1 });
        const consumer = rig.worker('consumer', 'consume-pull', {
          urls: rig.urls,
          max: 200,
          connections: 2,
          fails: true,
        });
        const burying = performance.now();
        await sendAll(rig, count, { bodyBytes: 256 }, 0);
        await untilDead(rig, count);
        const buriedSeconds = (performance.now() - burying) / 1000;
        await consumer.call('acknowledge');
        rig.forgetServerPeaks();
        const before = await rig.usage();
        const startedAt = performance.now();
        const selection = { topic: 'bench', group: 'pull' };
        const redriven = await rig.call<{ count: number }>('POST', '/v1/dead-letters/redrive', selection);
        const callSeconds = (performance.now() - startedAt) / 1000;
        if (redriven.count !== count) throw new Error(`${redriven.count} of ${count} dead letters were redriven`);
        await drain([consumer], count);
        const seconds = (performance.now() - startedAt) / 1000;
        const { duplicates } = await consumer.call<Counts>('count');
        return {
          deliveredPerSecond: count / seconds,
          duplicates: duplicates!,
          own: { 'seconds of the call': callSeconds, 'messages/s sent, failed and buried': count / buriedSeconds },
          ...used(before, await rig.usage(), seconds, count),
          peakMiB: rig.peaks(),
        };
      }),
  },
];

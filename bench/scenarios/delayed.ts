import { setTimeout as delay } from 'node:timers/promises';
import { pullConsumer } from '../consumers.js';
import { Histogram } from '../histogram.js';
import { drain, used, type Recorded } from '../measure.js';
import { Rig } from '../rig.js';
import { scaled, type Scenario } from '../scenario.js';
import { sendAll } from '../send.js';

/** Storing 100,000 takes a part of it, even on a slow machine. */
const leadMs = 45_000;

export const delayed: Scenario[] = [
  {
    id: 'delayed/same-second',
    title: '100,000 delayed messages due in the same second → batched pull (end to end counts from when they are due)',
    runsMax: 1,
    run: (trial) =>
      Rig.use(trial.servers, { store: 'mysql' }, async (rig) => {
        const consumer = await pullConsumer(rig);
        const count = scaled(trial, 100_000);
        const lead = Math.max(5_000, leadMs * Math.min(1, trial.scale));
        const dueAt = Math.ceil((Date.now() + lead) / 1000) * 1000;
        const storing = performance.now();
        await sendAll(rig, count, { bodyBytes: 256 }, dueAt, { deliverAt: new Date(dueAt).toISOString() });
        const storedSeconds = (performance.now() - storing) / 1000;
        const restMs = dueAt - Date.now();
        if (restMs < 500) throw new Error(`${count} messages were not stored within ${lead} ms`);
        await delay(restMs - 500);
        rig.forgetServerPeaks();
        const before = await rig.usage();
        await consumer.call('begin');
        await delay(dueAt - Date.now());
        await drain([consumer], count);
        const seconds = (Date.now() - dueAt) / 1000;
        const after = await rig.usage();
        const recorded = await consumer.call<Recorded>('end');
        const late = new Histogram();
        late.merge(recorded.endToEndMs!);
        const endToEndMs = late.percentiles();
        return {
          deliveredPerSecond: count / seconds,
          storedPerSecond: count / storedSeconds,
          ...(endToEndMs && { endToEndMs }),
          duplicates: recorded.duplicates!,
          ...used(before, after, seconds, count),
          peakMiB: rig.peaks(),
        };
      }),
  },
];

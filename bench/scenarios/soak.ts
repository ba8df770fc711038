import { setTimeout as delay } from 'node:timers/promises';
import { pullConsumer, bullConsumer } from '../consumers.js';
import { Histogram } from '../histogram.js';
import { drain, type Counts, type Recorded } from '../measure.js';
import { Rig } from '../rig.js';
import { sample, slopePerHour, type Sample } from '../soak-sampler.js';
import type { Figures } from '../figures.js';
import type { Scenario, Trial } from '../scenario.js';

/** What is deleted after this time cannot make the tables grow beyond it, so a level is reached soon. */
const retentionMs = 120_000;
const sampleMs = 10_000;

/** The second half counts: by then retention has begun, caches are full, and the heap has its size. */
function report(samples: [seconds: number, sample: Sample][]): Record<string, number> {
  const half = samples.slice(Math.floor(samples.length / 2));
  const own: Record<string, number> = {};
  for (const name of Object.keys(half[0]![1])) {
    const points = half.map(([seconds, values]) => [seconds, values[name]!] as const);
    own[name] = points.reduce((sum, [, value]) => sum + value, 0) / points.length;
    own[`${name}, change per hour`] = slopePerHour(points);
  }
  return own;
}

/** Steady load at --rate for --seconds; the row tells the levels of the second half and their slopes. */
async function steady({ servers, window, ratePerSecond }: Trial, engine: 'pull' | 'bull'): Promise<Figures> {
  const environment = {
    HALFBOX_MESSAGE_RETENTION_MS: String(retentionMs),
    HALFBOX_RETENTION_INTERVAL_MS: '10000',
  };
  return Rig.use(servers, { store: 'mysql', redis: true, environment }, async (rig) => {
    await rig.call('PUT', '/v1/topics/bench', { shards: 4, retentionMs });
    const consumer = await (engine === 'pull' ? pullConsumer(rig) : bullConsumer(rig));
    const load = rig.worker('load', 'load-paced', { url: rig.url, ratePerSecond, shape: { bodyBytes: 256 } });
    await delay(window.warmUpSeconds * 1000);
    await load.call('begin');
    await consumer.call('begin');
    const samples: [number, Sample][] = [];
    const endToEnd = new Histogram();
    const startedAt = performance.now();
    const passed = () => (performance.now() - startedAt) / 1000;
    const before = await rig.usage();
    while (passed() < window.seconds) {
      await delay(Math.min(sampleMs, window.seconds * 1000));
      const values = await sample(rig);
      const { endToEndMs } = await consumer.call<Recorded>('end');
      await consumer.call('begin');
      const interval = new Histogram();
      interval.merge(endToEndMs!);
      endToEnd.merge(endToEndMs!);
      samples.push([passed(), { ...values, 'end to end p99 ms': interval.percentiles()?.p99 ?? Number.NaN }]);
      process.stderr.write(`  ${JSON.stringify(samples.at(-1))}\n`);
    }
    const seconds = passed();
    const { cpuSeconds } = await rig.usage();
    const { committed = 0, errors = 0, firstError } = await load.call<Counts>('halt');
    await drain([consumer], committed);
    if (errors > 0) process.stderr.write(`  ${errors} calls failed, the first: ${firstError}\n`);
    const { duplicates = 0 } = await consumer.call<Counts>('count');
    return {
      deliveredPerSecond: committed / seconds,
      endToEndMs: endToEnd.percentiles(),
      cpu: { broker: (cpuSeconds.broker! - before.cpuSeconds.broker!) / seconds },
      peakMiB: rig.peaks(),
      errors,
      duplicates,
      own: report(samples),
    };
  });
}

interface Overloaded {
  accepted: number;
  refused: number;
  withoutRetryAfter: number;
  notOffered: number;
  errors: number;
  firstError?: string;
  acceptedMs: ReturnType<Histogram['toJSON']>;
  refusedMs: ReturnType<Histogram['toJSON']>;
  lateMs: ReturnType<Histogram['toJSON']>;
}

/** Plain sends of 100 messages a call are offered at --rate messages/s whether or not they are answered. */
async function overload({ servers, window, ratePerSecond }: Trial): Promise<Figures> {
  return Rig.use(servers, { store: 'mysql', redis: true }, async (rig) => {
    const consumer = await pullConsumer(rig);
    const load = rig.worker('load', 'load-overload', { url: rig.url, ratePerSecond, bodyBytes: 256 });
    await delay(window.seconds * 1000);
    const { cpuSeconds } = await rig.usage();
    const offered = await load.call<Overloaded>('halt');
    await drain([consumer], offered.accepted, 4 * window.seconds * 1000 + 120_000);
    const times = (parts: Overloaded['acceptedMs']) => {
      const histogram = new Histogram();
      histogram.merge(parts);
      return histogram.percentiles() ?? { p50: Number.NaN, p99: Number.NaN, max: Number.NaN };
    };
    const [accepted, refused, late] = [offered.acceptedMs, offered.refusedMs, offered.lateMs].map(times);
    const { duplicates = 0 } = await consumer.call<Counts>('count');
    if (offered.firstError) process.stderr.write(`  the first error: ${offered.firstError}\n`);
    return {
      storedPerSecond: offered.accepted / window.seconds,
      commitMs: accepted!,
      errors: offered.errors,
      duplicates,
      cpu: { broker: cpuSeconds.broker! / window.seconds },
      peakMiB: rig.peaks(),
      own: {
        'refused/s': offered.refused / window.seconds,
        'refused without Retry-After': offered.withoutRetryAfter,
        'refused p50 ms': refused!.p50,
        'refused p99 ms': refused!.p99,
        'refused max ms': refused!.max,
        'not offered/s': offered.notOffered / window.seconds,
        'offered late p99 ms': late!.p99,
      },
    };
  });
}

/** Long runs, which `npm run bench` leaves out unless --only names them. */
export const soak: Scenario[] = [
  {
    id: 'soak/pull',
    title: 'steady open loop at --rate for --seconds, single-message HTTP → pull; messages kept for 2 minutes',
    runsMax: 1,
    run: (trial) => steady(trial, 'pull'),
  },
  {
    id: 'soak/bull',
    title: 'the same → Bull worker',
    runsMax: 1,
    run: (trial) => steady(trial, 'bull'),
  },
  {
    id: 'soak/overload',
    title: 'plain sends of 100 messages a call offered at --rate messages/s for --seconds',
    runsMax: 1,
    run: overload,
  },
];

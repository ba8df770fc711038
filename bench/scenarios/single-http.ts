import type { Figures } from '../figures.js';
import { measure } from '../measure.js';
import { Rig, type RigOptions } from '../rig.js';
import type { Scenario, Trial } from '../scenario.js';
import { bullConsumer, pullConsumer } from '../consumers.js';

const bodyBytes = 256;

async function pulled({ servers, window }: Trial, options: RigOptions, connections: number): Promise<Figures> {
  return Rig.use(servers, options, async (rig) => {
    const consumer = await pullConsumer(rig);
    const load = rig.worker('load', 'load-http', { urls: rig.urls, connections, shape: { bodyBytes } });
    return measure(rig, { loads: [load], consumers: [consumer] }, window);
  });
}

async function worked(
  { servers, window }: Trial,
  subscription: object,
  environment: Record<string, string> = {},
): Promise<Figures> {
  return Rig.use(servers, { store: 'mysql', redis: true, environment }, async (rig) => {
    const consumer = await bullConsumer(rig, subscription);
    const load = rig.worker('load', 'load-http', { urls: rig.urls, connections: 128, shape: { bodyBytes } });
    return measure(rig, { loads: [load], consumers: [consumer] }, window);
  });
}

const byConnections = [1, 32, 128, 512].map((connections): Scenario => ({
  id: `http/pull-${connections}`,
  title: `single-message HTTP, ${connections} connection${connections > 1 ? 's' : ''}, MariaDB and Redis → batched pull`,
  run: (trial) => pulled(trial, { store: 'mysql', redis: true }, connections),
}));

/** One process reads and writes HTTP, another one does the rest. */
const oneWorker = { HALFBOX_WORKERS: '1' };

const byWorker: Scenario[] = [
  {
    id: 'http/pull-128-worker',
    title: 'the same as http/pull-128 with an HTTP worker',
    run: (trial) => pulled(trial, { store: 'mysql', redis: true, environment: oneWorker }, 128),
  },
  {
    id: 'http/sqlite-pull-128-worker',
    title: 'the same as http/sqlite-pull-128 with an HTTP worker',
    run: (trial) => pulled(trial, { store: 'sqlite', environment: oneWorker }, 128),
  },
  {
    id: 'http/bull-128-jobs-of-64-worker',
    title: 'the same as http/bull-128-jobs-of-64 with an HTTP worker',
    run: (trial) => worked(trial, { messagesPerJob: 64 }, oneWorker),
  },
];

/** Prepare and commit of each message by two HTTP requests, in a closed loop, with the consumer keeping up. */
export const singleHttp: Scenario[] = [
  ...byConnections,
  {
    id: 'http/sqlite-pull-128',
    title: 'single-message HTTP, 128 connections, SQLite and memory → batched pull',
    run: (trial) => pulled(trial, { store: 'sqlite' }, 128),
  },
  {
    id: 'http/bull-128',
    title: 'single-message HTTP, 128 connections → Bull worker, a job a message',
    run: (trial) => worked(trial, {}),
  },
  ...[16, 64, 256].map((messagesPerJob): Scenario => ({
    id: `http/bull-128-jobs-of-${messagesPerJob}`,
    title: `single-message HTTP, 128 connections → Bull worker, up to ${messagesPerJob} messages a job`,
    run: (trial) => worked(trial, { messagesPerJob }),
  })),
  ...byWorker,
];

import type { Worker } from '../children.js';
import { nestConsumer } from '../consumers.js';
import { measure } from '../measure.js';
import { Rig } from '../rig.js';
import type { Scenario } from '../scenario.js';

const bodyBytes = 256;

function load(rig: Rig, callers: number, transactional: boolean): Worker {
  return rig.worker('load', 'load-client', { urls: rig.urls, callers, transactional, shape: { bodyBytes } });
}

/** Transactions of one process, each prepared and then committed by its caller. */
function transactions(callers: number): Scenario {
  return {
    id: `client/transactions-${callers}`,
    title: `halfbox/client, prepare and commit gathered from one process, ${callers} in flight → NestJS handler, batched pull`,
    run: ({ servers, window }) =>
      Rig.use(servers, { store: 'mysql' }, async (rig) => {
        const consumer = await nestConsumer(rig);
        return measure(rig, { loads: [load(rig, callers, true)], consumers: [consumer] }, window);
      }),
  };
}

/** Plain sends of one process, each awaited by its caller; nobody consumes. */
function stored(callers: number): Scenario {
  return {
    id: `client/sends-stored-${callers}`,
    title: `halfbox/client, plain sends gathered from one process, ${callers} callers, nobody consumes`,
    run: ({ servers, window }) =>
      Rig.use(servers, { store: 'mysql' }, async (rig) => {
        await rig.topic();
        return measure(rig, { loads: [load(rig, callers, false)] }, window);
      }),
  };
}

function delivered(callers: number): Scenario {
  return {
    id: `client/sends-delivered-${callers}`,
    title: `halfbox/client, plain sends gathered from one process, ${callers} callers, 10,000 waiting at most → NestJS handler, batched pull`,
    run: ({ servers, window }) =>
      Rig.use(servers, { store: 'mysql' }, async (rig) => {
        const consumer = await nestConsumer(rig);
        return measure(rig, { loads: [load(rig, callers, false)], consumers: [consumer], waitingMax: 10_000 }, window);
      }),
  };
}

/** What one process reaches with `halfbox/client`, which gathers concurrent calls by itself. */
export const client: Scenario[] = [
  transactions(128),
  transactions(512),
  stored(128),
  stored(1_000),
  delivered(128),
  delivered(1_000),
];

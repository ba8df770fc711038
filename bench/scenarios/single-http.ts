import { Worker } from '../children.js';
import { measure, type Load } from '../measure.js';
import type { Scenario } from '../scenario.js';

const bodyBytes = 256;

function scenario(
  name: string,
  atLeast: number,
  store: Load['store'],
  consumer: 'pull' | 'bull',
  load: (url: string) => Worker,
): Scenario {
  return {
    name,
    target: { figure: 'ratioToBareRoute', atLeast },
    async run(servers, window, bareRouteRequestsPerSecond) {
      const figures = await measure(
        {
          store,
          redis: consumer === 'bull' || store === 'mysql',
          startLoad: ({ url }) => load(url),
          consumer: {
            group: consumer,
            subscription: consumer === 'bull' ? { mode: 'queue' } : { mode: 'pull', maxInFlight: 2000 },
            start: ({ url }) =>
              consumer === 'bull'
                ? new Worker('consume-bull', { redisUrl: servers.redisUrl, concurrency: 100 })
                : new Worker('consume-pull', { url, max: 200, connections: 2 }),
          },
        },
        servers,
        window,
      );
      return { ...figures, ratioToBareRoute: figures.deliveredPerSecond! / bareRouteRequestsPerSecond };
    },
  };
}

const run = () => Date.now().toString(36);
const single = (url: string) => new Worker('load-http', { url, connections: 128, bodyBytes, run: run() });
const batch = (url: string) => new Worker('load-batch', { url, connections: 8, perCall: 50, bodyBytes, run: run() });

/** Closed-loop throughput over HTTP, end to end with the consumer keeping up. */
export const httpScenarios: Scenario[] = [
  scenario('single-message HTTP, 128 connections → batched pull', 0.14, 'mysql', 'pull', single),
  scenario('single-message HTTP, 128 connections → Bull worker', 0.09, 'mysql', 'bull', single),
  scenario('batch HTTP, 50 a call, 8 connections → batched pull', 0.28, 'mysql', 'pull', batch),
  scenario('SQLite + memory, single-message HTTP → batched pull', 0.12, 'sqlite', 'pull', single),
];

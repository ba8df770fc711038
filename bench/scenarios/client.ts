import { Worker } from '../children.js';
import { measure } from '../measure.js';
import type { Scenario } from '../scenario.js';

const bodyBytes = 256;

const load = (callers: number, transactional: boolean) => (broker: { url: string }) =>
  new Worker('load-client', { url: broker.url, callers, bodyBytes, transactional });

const gathered = async (loader: Worker) => ({ gathered: await loader.call<number>('gathered') });

/** Plain sends of one process, each awaited by its caller; nobody consumes. */
function sends(callers: number): Scenario {
  return {
    name: `halfbox/client send, gathered, from one process, ${callers} callers`,
    target: { figure: 'storedPerSecond', atLeast: 20_000 },
    run: (servers, window) =>
      measure({ store: 'mysql', redis: false, startLoad: load(callers, false) }, servers, window, gathered),
  };
}

/** Transactions of one process, each prepared and then committed by its caller. */
function transactions(callers: number): Scenario {
  return {
    name: `halfbox/client prepare+commit gathered, ${callers} in flight → batched pull`,
    run: async (servers, window, bareRouteRequestsPerSecond) => {
      const figures = await measure(
        {
          store: 'mysql',
          redis: false,
          startLoad: load(callers, true),
          consumer: {
            group: 'pull',
            subscription: { mode: 'pull', maxInFlight: 2000 },
            start: ({ url }) => new Worker('consume-pull', { url, max: 200, connections: 2 }),
          },
        },
        servers,
        window,
        gathered,
      );
      return { ...figures, ratioToBareRoute: figures.deliveredPerSecond! / bareRouteRequestsPerSecond };
    },
  };
}

/** What one process reaches with `halfbox/client`, which gathers concurrent calls by itself. */
export const clientScenarios: Scenario[] = [sends(128), sends(1_000), transactions(128), transactions(512)];

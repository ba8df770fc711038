import { measure } from '../measure.js';
import { Rig } from '../rig.js';
import type { Scenario } from '../scenario.js';

const bodyBytes = 256;

function inProcess(store: 'mysql' | 'sqlite', callers: number): Scenario {
  const name = store === 'mysql' ? 'MariaDB' : 'SQLite';
  return {
    id: `embedded/${store}-${callers}`,
    title: `embedded in a NestJS application, ${callers} in flight, ${name} → handler of the same process`,
    run: ({ servers, window }) =>
      Rig.use(servers, { store, brokers: 0 }, (rig) => {
        const { storeUrl } = rig;
        const application = rig.worker('application', 'embedded', {
          storeUrl,
          callers,
          concurrency: 256,
          shape: { bodyBytes },
        });
        return measure(rig, { loads: [application], consumers: [application] }, window);
      }),
  };
}

/** `HalfboxModule` in the application itself: no broker process, and no HTTP. */
export const embedded: Scenario[] = [
  inProcess('mysql', 128),
  inProcess('mysql', 512),
  inProcess('sqlite', 128),
  inProcess('sqlite', 512),
];

import { TcpProxy, type CutPoint } from '../../faults/tcp-proxy.js';
import type { Random } from '../random.js';
import {
  delay,
  onMariadbInMemory,
  onMariadbWithBull,
  until,
  type Fault,
  type FaultContext,
  type Stage,
} from './fault.js';
import { killableRedis } from './killable-servers.js';

type ServerName = 'mariadb' | 'redis';

/** Connections that are cut, or packets that are held, in one strike. */
const times = 8;
const words: Record<CutPoint, string> = {
  'before-server': 'before what the broker sends has arrived',
  'before-answer': 'after it has arrived and before its answer',
};

/** Brokers reach the server through a proxy; everything else goes there straight. */
async function through(
  server: ServerName,
  { servers }: FaultContext,
): Promise<[TcpProxy, NonNullable<Stage['scene']>, NonNullable<Stage['close']>]> {
  if (server === 'mariadb') {
    const { hostname, port } = new URL(servers.mysqlUrl);
    const proxy = await TcpProxy.before(hostname, Number(port || 3306));
    return [proxy, { storeUrl: (url) => proxy.through(url) }, () => proxy.close()];
  }
  const redis = await killableRedis();
  const { hostname, port } = new URL(redis.url);
  const proxy = await TcpProxy.before(hostname, Number(port));
  const startRedis = async () => ({ url: redis.url, stop: () => redis.stop() });
  const scene = { servers: { ...servers, startRedis }, settings: { HALFBOX_REDIS_URL: proxy.through(redis.url) } };
  const close = async (): Promise<void> => {
    await proxy.close();
    await redis.stop();
  };
  return [proxy, scene, close];
}

const placesOf = (server: ServerName): Fault['places'] =>
  server === 'mariadb' ? [onMariadbWithBull, onMariadbInMemory] : [onMariadbWithBull];

/** A fault that does something to the connections of the proxy and is over when that is. */
function fault(
  server: ServerName,
  name: string,
  what: string,
  harm: (proxy: TcpProxy, random: Random) => Promise<void>,
): Fault {
  return {
    name: `${server}.connection-${name}`,
    what,
    places: placesOf(server),
    prepare: async (context) => {
      const [proxy, scene, close] = await through(server, context);
      const strike: Stage['strike'] = async ({ random }) => {
        const at = Date.now();
        await harm(proxy, random);
        return { at, healedAt: Date.now() };
      };
      return { scene, close, strike };
    },
  };
}

function cut(server: ServerName, point: CutPoint): Fault {
  const what = `${times} connections of the broker to the server are cut one after the other, ${words[point]}`;
  return fault(server, `cut.${point}`, what, async (proxy, random) => {
    for (let count = 0; count < times; count += 1) {
      proxy.cutAt(random.integer(0, 40), point);
      await until('a connection is cut', () => !proxy.isArmed);
    }
    await proxy.settled();
  });
}

function held(server: ServerName, point: CutPoint): Fault {
  const what = `one after the other, ${times} packets of connections of the broker are held for 0.5 to 3 s, ${words[point]}`;
  return fault(server, `held.${point}`, what, async (proxy, random) => {
    for (let count = 0; count < times; count += 1) {
      const holdMs = random.integer(500, 3_000);
      proxy.holdAt(random.integer(0, 40), point, holdMs);
      await until('a packet is held', () => !proxy.isArmed);
      await delay(holdMs);
    }
  });
}

function frozen(server: ServerName): Fault {
  const what =
    'all that the broker and the server send to each other is swallowed for 1 to 8 s; then the connections break';
  return fault(server, 'frozen', what, async (proxy, random) => {
    proxy.freeze();
    await delay(random.integer(1_000, 8_000));
    proxy.recover();
  });
}

export const connectionFaults: Fault[] = (['mariadb', 'redis'] as const).flatMap((server) => [
  cut(server, 'before-server'),
  cut(server, 'before-answer'),
  held(server, 'before-server'),
  held(server, 'before-answer'),
  frozen(server),
]);

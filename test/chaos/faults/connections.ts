import { TcpProxy, type CutPoint } from '../../faults/tcp-proxy.js';
import { KillableServer } from './killable-server.js';
import {
  delay,
  onMariadbInMemory,
  onMariadbWithBull,
  until,
  type Fault,
  type FaultContext,
  type Stage,
} from './fault.js';

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
  const redis = await KillableServer.redis();
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

function cut(server: ServerName, point: CutPoint): Fault {
  return {
    name: `${server}.connection-cut.${point}`,
    what: `${times} connections of the broker to the server are cut one after the other, ${words[point]}`,
    places: placesOf(server),
    prepare: async (context) => {
      const [proxy, scene, close] = await through(server, context);
      return {
        scene,
        close,
        strike: async ({ random }) => {
          const at = Date.now();
          for (let count = 0; count < times; count += 1) {
            proxy.cutAt(random.integer(0, 40), point);
            await until('a connection is cut', () => !proxy.isArmed);
          }
          await proxy.settled();
          return { at, healedAt: Date.now() };
        },
      };
    },
  };
}

function held(server: ServerName, point: CutPoint): Fault {
  return {
    name: `${server}.connection-held.${point}`,
    what: `one after the other, ${times} packets of connections of the broker are held for 0.5 to 3 s, ${words[point]}`,
    places: placesOf(server),
    prepare: async (context) => {
      const [proxy, scene, close] = await through(server, context);
      return {
        scene,
        close,
        strike: async ({ random }) => {
          const at = Date.now();
          for (let count = 0; count < times; count += 1) {
            const holdMs = random.integer(500, 3_000);
            proxy.holdAt(random.integer(0, 40), point, holdMs);
            await until('a packet is held', () => !proxy.isArmed);
            await delay(holdMs);
          }
          return { at, healedAt: Date.now() };
        },
      };
    },
  };
}

function frozen(server: ServerName): Fault {
  return {
    name: `${server}.connection-frozen`,
    what: 'all that the broker and the server send to each other is swallowed for 1 to 8 s; then the connections break',
    places: placesOf(server),
    prepare: async (context) => {
      const [proxy, scene, close] = await through(server, context);
      return {
        scene,
        close,
        strike: async ({ random }) => {
          const at = Date.now();
          proxy.freeze();
          await delay(random.integer(1_000, 8_000));
          proxy.recover();
          return { at, healedAt: Date.now() };
        },
      };
    },
  };
}

export const connectionFaults: Fault[] = (['mariadb', 'redis'] as const).flatMap((server) => [
  cut(server, 'before-server'),
  cut(server, 'before-answer'),
  held(server, 'before-server'),
  held(server, 'before-answer'),
  frozen(server),
]);

import type { PeerFigures } from './peer.js';
import type { Results } from './results.js';

/** What Halfbox is compared with, messages/s. */
export type Yardstick = 'rmq' | 'rmqPlain' | 'dtmMysql' | 'naiveOutbox';

interface Source {
  /** Of the peers' results. */
  peer: string;
  figure: (figures: PeerFigures) => number | undefined;
  /** Where the peer was not measured in this run: this share of the bare Fastify route's requests/s. */
  ofBareRoute: number;
  name: string;
}

/** The shares are those of runs in which both were measured, on two cores. */
const sources: Record<Yardstick, Source> = {
  rmq: {
    peer: 'rocketmq',
    figure: ({ transactionalPerSecond }) => transactionalPerSecond,
    ofBareRoute: 0.175,
    name: 'RMQ',
  },
  rmqPlain: {
    peer: 'rocketmq',
    figure: ({ plainStoredPerSecond }) => plainStoredPerSecond,
    ofBareRoute: 0.37,
    name: "RMQ's plain sync send",
  },
  dtmMysql: {
    peer: 'dtm-mysql',
    figure: ({ transactionalPerSecond }) => transactionalPerSecond,
    ofBareRoute: 0.0168,
    name: 'DTM on MySQL',
  },
  naiveOutbox: {
    peer: 'naive-outbox',
    figure: ({ transactionalPerSecond }) => transactionalPerSecond,
    ofBareRoute: 0.0107,
    name: 'naive outbox',
  },
};

/** One yardstick of a run, with where it comes from; undefined where nothing was measured that it could come from. */
export function yardstick(results: Results, which: Yardstick): { value: number; told: string } | undefined {
  const { peer, figure, ofBareRoute, name } = sources[which];
  const measured = results.peers.find((each) => each.name === peer)?.figures;
  const value = measured && figure(measured);
  if (value !== undefined) return { value, told: `${name} ${Math.round(value)}/s in this run` };
  const bareRoute = results.bareRouteRequestsPerSecond;
  if (bareRoute === undefined) return undefined;
  const estimated = bareRoute * ofBareRoute;
  return { value: estimated, told: `${name} taken as ${ofBareRoute} × bare route = ${Math.round(estimated)}/s` };
}

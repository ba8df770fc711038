import type { Figures } from './figures.js';

/** The servers that a run may use. */
export interface Servers {
  /** A MariaDB or MySQL server that durably flushes each commit; scenarios make databases of their own in it. */
  mysqlUrl: string;
  redisUrl: string;
}

export interface Window {
  /** Seconds of load that are not measured. */
  warmUpSeconds: number;
  seconds: number;
}

/** One row of the table. */
export interface Scenario {
  name: string;
  /** What the row must reach, by figure: `ratioToBareRoute ≥ 0.14`. */
  target?: { figure: string; atLeast?: number; below?: number };
  run(servers: Servers, window: Window, bareRouteRequestsPerSecond: number): Promise<Figures>;
}

import type { Figures } from './figures.js';

/** The servers that a run may use. */
export interface Servers {
  /** A MariaDB or MySQL server that durably flushes each commit; scenarios make databases of their own in it. */
  mysqlUrl: string;
  /** Its database 0 is emptied. */
  redisUrl: string;
}

export interface Window {
  /** Seconds of load that are not measured. */
  warmUpSeconds: number;
  seconds: number;
}

/** What a scenario gets. */
export interface Trial {
  servers: Servers;
  window: Window;
  /** Counts that a scenario's title names (100,000 messages, 10 million waiting) are multiplied by this. 1 unless asked for. */
  scale: number;
  /** Arrivals a second of the open loop. */
  ratePerSecond: number;
}

/** One row of the results. */
export interface Scenario {
  /** Stable, `family/what`: targets, `--only` and `--compare` name it. */
  id: string;
  /** What is done, in words. */
  title: string;
  /** Runs at most, where one is long or varies little. */
  runsMax?: number;
  /** Measures once, with brokers and stores of its own, and leaves nothing behind. Rejects when it cannot be measured. */
  run(trial: Trial): Promise<Figures>;
}

/** A count of a title under the scale of this trial, a whole number of at least `least`. */
export function scaled({ scale }: Trial, count: number, least = 1): number {
  return Math.max(least, Math.round(count * scale));
}

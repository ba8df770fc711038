/** The one source of time. Everything that waits or compares times is given a clock, so that tests can set it. */
export interface Clock {
  /** Milliseconds since the Unix epoch, UTC. */
  now(): number;
}

/** The clock of this process. */
export const systemClock: Clock = { now: () => Date.now() };

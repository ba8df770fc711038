import type { SubscriptionConfig } from '../../src/message/subscription.js';
import type { RelaySettings } from '../../src/relay/relay-settings.js';
import { noFaults, type LinkFaults } from './links.js';
import type { Random } from './random.js';

export interface GroupScenario {
  topic: string;
  group: string;
  config: SubscriptionConfig;
  consumers: number;
}

/** What one seed stands for: how many of everything, and what goes wrong how often. */
export interface Scenario {
  nodes: number;
  /** True time minus what each node's clock shows, at most, in ms. */
  skewMsMax: number;
  /** How long things go wrong; then everything heals, and must come to rest. */
  troubleMs: number;
  transactions: number;
  sends: number;
  topics: { name: string; shards: number }[];
  groups: GroupScenario[];
  /** Ordering keys; few of them are busy ones. */
  keys: number;
  storeFaults: LinkFaults;
  engineFaults: LinkFaults;
  callFaults: LinkFaults;
  /** Nodes hear of each other's appends, unless the hint is lost. */
  wakes: boolean;
  /** Expected number of each over the whole time. */
  crashes: number;
  restarts: number;
  stalls: number;
  cuts: number;
  wipes: number;
  consumerDeaths: number;
  seeks: number;
  pauses: number;
  redrives: number;
  checkMax: number;
  checkIntervalMs: number;
  relay: Partial<RelaySettings>;
}

function linkFaults(random: Random, calm: boolean): LinkFaults {
  if (calm) return noFaults;
  const some = (most: number): number => (random.chance(0.5) ? random.next() * most : 0);
  return {
    lostCall: some(0.08),
    lostAnswer: some(0.08),
    late: some(0.05),
    slow: some(0.1),
    slowMsMax: random.pick([50, 800, 4_000]),
  };
}

function configOf(random: Random, mode: 'pull' | 'queue'): SubscriptionConfig {
  const maxAttempts = random.int(2, 6);
  return {
    mode,
    filter: random.pick(['*', '*', '*', 'a||b']),
    maxAttempts,
    retry: random.pick([
      { fixedMs: 200 },
      { levelsMs: [0, 100, 1_000] },
      { initialMs: 50, factor: 3, maxMs: 2_000, jitter: 0.5 },
    ]),
    maxInFlight: random.pick([1, 2, 5, 1_000]),
    onDeadLetter: random.pick(['continue', 'block']),
    ...(random.chance(0.1) && { ratePerSecond: 20 }),
  };
}

/** The scenario of a seed. `calm`: nothing goes wrong, so that nothing may come twice. */
export function scenarioOf(random: Random): Scenario {
  const calm = random.chance(0.1);
  const few = (most: number): number => (calm || random.chance(0.5) ? 0 : random.int(1, most));
  const topics = Array.from({ length: random.int(1, 2) }, (_, index) => ({
    name: `t${index}`,
    shards: random.int(1, 3),
  }));
  const groups = topics.flatMap(({ name: topic }, index) =>
    Array.from({ length: index === 0 ? random.int(1, 2) : 1 }, (_, number) => ({
      topic,
      group: `${topic}-g${number}`,
      config: configOf(random, random.chance(0.65) ? 'pull' : 'queue'),
      consumers: random.int(1, 3),
    })),
  );
  return {
    nodes: random.pick([1, 1, 2, 2, 3]),
    skewMsMax: calm ? 0 : random.pick([0, 0, 2_000, 600_000]),
    troubleMs: random.int(4_000, 20_000),
    transactions: random.int(4, 24),
    sends: random.int(0, 20),
    topics,
    groups,
    keys: random.int(1, 5),
    storeFaults: linkFaults(random, calm),
    engineFaults: linkFaults(random, calm),
    callFaults: linkFaults(random, calm),
    wakes: random.chance(0.4),
    crashes: few(4),
    restarts: few(2),
    stalls: few(3),
    cuts: few(3),
    wipes: few(3),
    consumerDeaths: few(3),
    seeks: random.chance(0.15) ? few(1) : 0,
    pauses: few(2),
    redrives: few(2),
    checkMax: random.int(1, 4),
    checkIntervalMs: random.int(200, 2_000),
    relay: relaySettings(random),
  };
}

/** Small bounds, so that a few messages reach them. */
function relaySettings(random: Random): Partial<RelaySettings> {
  if (random.chance(0.3)) return {};
  return {
    windowMax: random.int(1, 8),
    heldBackMax: random.int(1, 6),
    settledRunsMax: random.int(2, 8),
    spillAfterMs: random.pick([0, 100, 1_000]),
    busyKeysMax: random.int(2, 6),
    dueRetriesMax: random.int(1, 4),
    flushEntriesMax: random.int(1, 8),
    flushSubscriptionsMax: random.int(1, 3),
    flushConcurrency: random.int(1, 3),
    recentBytesMax: random.pick([0, 4_096, 1 << 20]),
    claimTogetherMax: random.int(1, 3),
    windowMin: random.int(1, 4),
    readAheadMax: random.pick([1, 6, 1_000]),
    readAheadKeptMs: 0,
  };
}

/** How committed messages of a topic reach one consumer group. */
export type SubscriptionMode = 'queue' | 'push' | 'pull' | 'forward';

/** Waiting times between attempts. `jitter` is the fraction (0..1) of the delay that is drawn at random. */
export type RetryPolicy =
  { levelsMs: number[] } | { fixedMs: number } | { initialMs: number; factor: number; maxMs: number; jitter: number };

/** Where a new subscription, or a seek, starts to read: the end, the first kept message, or a time (epoch ms). */
export type StartPosition = 'latest' | 'earliest' | { at: number };

/** Where copies go: a topic of this broker, or an event pattern over a transport that the operator has named. */
export type ForwardTarget = { topic: string } | { transport: string; pattern: string };

/** What a subscription asks for. Everything but `mode` has a default. */
export interface SubscriptionConfig {
  mode: SubscriptionMode;
  /** `*`, or tags joined by `||`. */
  filter: string;
  maxAttempts: number;
  retry: RetryPolicy;
  push?: { url: string; timeoutMs: number; concurrency: number };
  forward?: ForwardTarget;
  /** Bound of deliveries in flight over all lanes and nodes; not exceeded. */
  maxInFlight: number;
  /** Deliveries per second at most; absent: no limit. */
  ratePerSecond?: number;
  /** Mode `queue`: messages that one job carries, at most. Absent, or 1: a job is a message. */
  messagesPerJob?: number;
  /** What a dead letter does to later messages of its ordering key. */
  onDeadLetter: 'continue' | 'block';
  /** Set for broadcasting: the subscription is deleted when it was not used for this long. */
  expiresAfterIdleMs?: number;
}

/** The retry levels of RocketMQ: 16 waits, from 10 s to 2 h. */
export const defaultRetryLevelsMs = [
  10_000, 30_000, 60_000, 120_000, 180_000, 240_000, 300_000, 360_000, 420_000, 480_000, 540_000, 600_000, 1_200_000,
  1_800_000, 3_600_000, 7_200_000,
];

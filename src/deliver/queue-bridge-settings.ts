/** Bounds and intervals of the bridge between one subscription and its queue. */
export interface QueueBridgeSettings {
  /** Tries that the engine holds, at most. */
  windowMax: number;
  /** Characters of the jobs that the engine holds; exceeded by one batch at most. */
  windowCharactersMax: number;
  /** Tries that are taken and enqueued at a time, at most. */
  takeMax: number;
  /** Characters of one job of several messages, unless one alone has more. */
  jobCharactersMax: number;
  /** Jobs whose outcomes are settled at a time, at most. */
  drainMax: number;
  /** How long a first outcome waits for others while the engine holds many. */
  lingerMs: number;
  /** How often to look without having been woken. */
  pollMs: number;
  /** How often to look for tries that the engine has lost and for workers that have gone. */
  reconcileMs: number;
  /** How long a try may be with the engine; extended as long as the engine knows it. */
  claimMs: number;
  /** First wait after the engine or the store has failed; doubles up to `retryMsMax`. */
  retryMs: number;
  retryMsMax: number;
}

export const queueBridgeDefaults: QueueBridgeSettings = {
  windowMax: 1_000,
  windowCharactersMax: 32 * 1024 * 1024,
  takeMax: 500,
  jobCharactersMax: 1024 * 1024,
  drainMax: 1_000,
  lingerMs: 5,
  pollMs: 1_000,
  reconcileMs: 10_000,
  claimMs: 12 * 3_600_000,
  retryMs: 100,
  retryMsMax: 2_000,
};

interface OfQueue {
  topic: string;
  group: string;
  count: number;
}

/** What bridges tell metrics and tests. */
export interface QueueBridgeEvents {
  /** Outcomes of tries that count no longer (an older generation or attempt, or ended meanwhile): removed and ignored. */
  ignored: OfQueue;
  /** Tries that the engine no longer knew: nacked with the error `engine-lost`. */
  engineLost: OfQueue;
  /** Running jobs whose worker had gone: they count as failed with the error `worker-lost`. */
  workerLost: OfQueue;
  /** Failed messages that a worker named and that its job does not have. */
  misnamed: OfQueue;
}

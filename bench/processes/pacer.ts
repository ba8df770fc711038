import { parentPort, workerData } from 'node:worker_threads';

/** Says when the next arrival of an open loop is due, more exactly than timers, and without spinning. A worker thread. */
const { startsAt, ratePerSecond } = workerData as { startsAt: number; ratePerSecond: number };
const never = new Int32Array(new SharedArrayBuffer(4));

for (let arrival = 0; ; arrival += 1) {
  const dueAt = startsAt + (arrival * 1000) / ratePerSecond;
  const waitMs = dueAt - (performance.timeOrigin + performance.now());
  if (waitMs > 0) Atomics.wait(never, 0, 0, waitMs);
  parentPort!.postMessage(dueAt);
}

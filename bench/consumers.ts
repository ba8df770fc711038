import type { Worker } from './children.js';
import type { Rig } from './rig.js';

/** A plain process that pulls `bench` by the group `pull`, 200 at a time over two connections. Its subscription is there. */
export async function pullConsumer(rig: Rig, settings: object = {}): Promise<Worker> {
  await rig.topic();
  await rig.subscription('pull', { mode: 'pull', maxInFlight: 2_000, ...settings });
  return rig.worker('consumer', 'consume-pull', { urls: rig.urls, max: 200, connections: 2 });
}

/** A plain Bull worker of `bench` by the group `bull`, with a concurrency of 100. Its subscription is there. */
export async function bullConsumer(rig: Rig, settings: object = {}): Promise<Worker> {
  await rig.topic();
  await rig.subscription('bull', { mode: 'queue', ...settings });
  return rig.worker('consumer', 'consume-bull', { redisUrl: rig.servers.redisUrl, concurrency: 100 });
}

/** A NestJS application with one handler of `bench`, by batched pull. Its subscription is there. */
export async function nestConsumer(rig: Rig, keepReceipts = false): Promise<Worker> {
  await rig.topic();
  await rig.subscription('pull', { mode: 'pull' });
  return rig.worker('consumer', 'consume-nest', { urls: rig.urls, concurrency: 256, keepReceipts });
}

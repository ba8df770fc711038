import type { Redis } from 'ioredis';
import { jobLost } from '../../message/job-result.js';
import { type EngineWorker, type JobHandler, packIdLead } from '../queue-engine.js';
import type { Logger } from '../../runtime/logger.js';
import { type BullPlace, openBullQueue } from './open-bull-queue.js';

/** Runs `handler` as a Bull worker. Redis being away is waited out; nothing is thrown. */
export function startBullWorker(
  place: BullPlace,
  logger: Logger,
  concurrency: number,
  handler: JobHandler,
): EngineWorker {
  const { connections, queueName } = place;
  let blocking: Redis | undefined;
  const queue = openBullQueue(place, () => (blocking ??= connections.connectBlocking()));
  // Bull tries again by itself; the connections log that Redis is away.
  queue.on('error', (error) => logger.debug({ err: error, queue: queueName }, 'a Bull worker met an error'));
  const started = queue.process(concurrency, async (job) => {
    // Bull hands out an empty job when Redis was wiped between taking its id and reading it.
    if (Object.keys(job.data).length === 0) throw new Error(jobLost);
    const returned = await handler(job.data);
    if (String(job.id).startsWith(packIdLead)) return returned;
  });
  started.catch((error: unknown) => logger.error({ err: error, queue: queueName }, 'a Bull worker did not start'));
  return {
    close: async () => {
      await queue.close();
      blocking?.disconnect();
    },
  };
}

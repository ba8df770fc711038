import type Bull from 'bull';
import {
  drainedBytesMax,
  type EngineJob,
  type EngineOutcome,
  type EnginePack,
  type EngineQueue,
  resultTooLarge,
  returnedBytesMax,
} from '../queue-engine.js';
import { type BullPlace, openBullQueue } from './open-bull-queue.js';
import {
  addJobs,
  drainEnded,
  failAbandoned,
  findMissing,
  findPacks,
  type RedisScript,
  removeEnded,
  retainWaiting,
} from './scripts.js';

/** One call to Redis adds at most this many jobs and, unless one alone is larger, this many characters. */
const callJobsMax = 500;
const callCharactersMax = 4 * 1024 * 1024;
/** Arguments of one call; Lua cannot unpack many more. */
const callIdsMax = 2_000;

/**
 * One subscription as an ordinary Bull queue: any Bull worker of that name and prefix consumes it. Jobs get one attempt,
 * and stay when they have ended until the broker has stored how. Works in bulk, on Bull's keys: a call per batch instead
 * of several per job. What the queue's workers publish as Bull's global events wakes the broker.
 */
export class BullQueue implements EngineQueue {
  private readonly key: string;
  private readonly unsubscribers: (() => void)[] = [];
  /** Running jobs that had no lock at the last look. */
  private suspects: string[] = [];
  private queue: Bull.Queue | undefined;

  constructor(private readonly place: BullPlace) {
    this.key = `${place.prefix}:${place.queueName}:`;
  }

  async enqueue(jobs: EngineJob[]): Promise<void> {
    const head = [String(Date.now())];
    let call = [...head];
    let characters = 0;
    for (const { id, json, tries } of jobs) {
      call.push(id, json);
      if (tries !== undefined) call.push(tries.join(','));
      characters += json.length;
      if (call.length < 2 * callJobsMax + head.length && characters < callCharactersMax) continue;
      await this.run(addJobs, call);
      call = [...head];
      characters = 0;
    }
    if (call.length > head.length) await this.run(addJobs, call);
  }

  async drain(max: number): Promise<EngineOutcome[]> {
    const bounds = [max, returnedBytesMax, drainedBytesMax].map(String);
    const answer = (await this.run(drainEnded, bounds)) as [string[], string[], string[], (string | null)[]];
    const [succeeded, failed, reasons, returned] = answer;
    // Neither kind keeps the other from being drained.
    const failedMax = Math.max(max - succeeded.length, max >> 1);
    const outcomes: EngineOutcome[] = failed
      .slice(0, failedMax)
      .map((id, index) => ({ id, ok: false, error: reasons[index] ?? '' }));
    let pack = 0;
    for (const id of succeeded.slice(0, max - outcomes.length)) {
      if (returned[pack] !== id) outcomes.push({ id, ok: true });
      else {
        outcomes.push(packOutcome(id, returned[pack + 1] as string | null));
        pack += 2;
      }
    }
    return outcomes;
  }

  async packs(): Promise<EnginePack[]> {
    const found = (await this.run(findPacks, [])) as string[];
    const packs: EnginePack[] = [];
    for (let at = 0; at < found.length; at += 2) {
      packs.push({ id: found[at] as string, tries: (found[at + 1] as string).split(',') });
    }
    return packs;
  }

  async remove(ids: string[]): Promise<void> {
    for (const some of chunks(ids)) await this.run(removeEnded, some);
  }

  async missing(ids: string[]): Promise<string[]> {
    const missing: string[] = [];
    for (const some of chunks(ids)) missing.push(...((await this.run(findMissing, some)) as string[]));
    return missing;
  }

  async retainWaiting(ids: string[]): Promise<number> {
    return (await this.run(retainWaiting, ids)) as number;
  }

  async failAbandoned(): Promise<number> {
    const args = [String(Date.now()), 'worker-lost', ...this.suspects];
    const [failed, ...suspects] = (await this.run(failAbandoned, args)) as [number, ...string[]];
    this.suspects = suspects;
    return failed;
  }

  onOutcome(listener: () => void): () => void {
    const leave = ['completed', 'failed'].map((event) => this.place.connections.subscribe(this.key + event, listener));
    const stop = (): void => leave.forEach((unsubscribe) => unsubscribe());
    this.unsubscribers.push(stop);
    return stop;
  }

  /** Bull's global pause: running jobs end, waiting ones wait, for every worker of the queue. */
  async setPaused(paused: boolean): Promise<void> {
    const isPaused = (await this.place.connections.client.exists(`${this.key}meta-paused`)) === 1;
    if (isPaused === paused) return;
    if (paused) await this.bull().pause();
    else await this.bull().resume();
  }

  async obliterate(): Promise<void> {
    await this.bull().obliterate({ force: true });
    this.suspects = [];
  }

  async close(): Promise<void> {
    for (const stop of this.unsubscribers.splice(0)) stop();
    await this.queue?.close();
    this.queue = undefined;
  }

  /** Made only where Bull's own verbs are needed; it adds no connection. */
  private bull(): Bull.Queue {
    this.queue ??= openBullQueue(this.place, () => {
      throw new Error(`the queue ${this.place.queueName} only produces and never blocks`);
    });
    return this.queue;
  }

  private run(script: RedisScript, args: string[]): Promise<unknown> {
    return script.run(this.place.connections.client, this.key, args);
  }
}

function packOutcome(id: string, returned: string | null): EngineOutcome {
  if (returned === null) return { id, ok: false, error: resultTooLarge };
  // Bull writes `null` for nothing.
  return returned === '' || returned === 'null' ? { id, ok: true } : { id, ok: true, returned };
}

function chunks(ids: string[]): string[][] {
  const found: string[][] = [];
  for (let from = 0; from < ids.length; from += callIdsMax) found.push(ids.slice(from, from + callIdsMax));
  return found;
}

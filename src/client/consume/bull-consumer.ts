import { setTimeout as wait } from 'node:timers/promises';
import type Bull from 'bull';
import type { HalfboxClient } from '../broker/halfbox-client.js';
import { BullConnections } from './bull-connections.js';
import { BullHandlers } from './bull-handlers.js';
import {
  checkConsuming,
  concurrencyOf,
  tell,
  tellRecovered,
  type ConsumedSubscription,
  type ConsumeFailure,
  type Consuming,
} from './consumer-options.js';
import type { Handler } from './delivery-context.js';
import { groupOfOwn, settingsOf, subscribeFirmly } from './subscribe.js';

/** Handlers that were aborted at a stop may still end. */
const lastEndsMs = 1_000;

export interface BullConsumerOptions<Body = unknown> extends Consuming<Body> {
  /** The Redis of the brokers, or connections that several consumers share. */
  redis: string | BullConnections;
  /** What the keys of the brokers' queues begin with. Default `halfbox`. */
  prefix?: string | undefined;
  /** Makes the subscription, of mode `queue`. Without it the subscription must be there. Stays open. */
  client?: HalfboxClient | undefined;
  /** Its settings (scope `admin`). Default `{}`; `false`: it exists already. */
  subscription?: ConsumedSubscription | false | undefined;
  /** As of `Consumer`; needs `client`. `expiresAfterIdleMs` is a minute by default. */
  broadcasting?: boolean | { expiresAfterIdleMs: number } | undefined;
  /** How long `start` tries to reach a broker and Redis. Default 60,000. */
  startMs?: number | undefined;
}

/**
 * Handles the messages of one subscription of mode `queue`, as a Bull worker on the brokers' Redis: the same handlers as
 * those of `Consumer`. `Retry` and `Reject` reach the broker in the text of the failed job. Bull renews a running job's
 * lock by itself; a worker that was killed loses its jobs after 30 s (Bull's lock), as failed attempts.
 */
export class BullConsumer<Body = unknown> {
  /** Of its own where it is broadcasting. */
  readonly group: string;
  readonly #handlers: BullHandlers;
  readonly #ending = new AbortController();
  /** Ends the waits of a stop. */
  readonly #left = new AbortController();
  #bull: { queue: Bull.Queue; close: () => Promise<void> } | undefined;
  #stopped: Promise<void> | undefined;
  #away = false;

  /** Throws a RangeError for an option beyond its bounds. */
  constructor(private readonly options: BullConsumerOptions<Body>) {
    checkConsuming(options);
    const { broadcasting = false, subscription, client, group } = options;
    if (broadcasting !== false && (client === undefined || subscription === false)) {
      throw new RangeError(
        'broadcasting needs a subscription of its own, which takes a client and no `subscription: false`',
      );
    }
    this.group = broadcasting === false ? group : groupOfOwn(group);
    this.#handlers = new BullHandlers({
      group: this.group,
      handler: options.handler as Handler<never>,
      concurrency: concurrencyOf(options),
      report: (error, during, messageId) => this.#report(error, during, messageId),
    });
  }

  get topic(): string {
    return this.options.topic;
  }

  /** Handlers that run now. */
  get runningCount(): number {
    return this.#handlers.runningCount;
  }

  /** Resolves when the subscription exists and the worker waits for jobs. Rejects when that did not come about within `startMs`. */
  async start(): Promise<void> {
    const deadline = performance.now() + (this.options.startMs ?? 60_000);
    await this.#subscribe(deadline);
    if (isOver(this.#ending.signal)) return;
    const { redis, prefix = 'halfbox', topic } = this.options;
    const connections = typeof redis === 'string' ? new BullConnections(redis) : redis;
    const opened = await connections.open(`${topic}.${this.group}`, prefix);
    const { queue } = opened;
    if (isOver(this.#ending.signal)) {
      await queue.close(true);
      return opened.close();
    }
    this.#bull = opened;
    queue.on('error', (error: Error) => this.#queueFailed(error));
    queue.on('lock-extension-failed' as 'error', (job: unknown, error?: unknown) =>
      this.#handlers.lost(String((job as Bull.Job).id), error),
    );
    await this.#ready(queue, deadline);
    if (isOver(this.#ending.signal)) return;
    const worker = queue.process(concurrencyOf(this.options), (job) => this.#handlers.handle(job));
    worker.catch((error: unknown) => this.#queueFailed(error as Error));
  }

  /**
   * Takes no further job and waits for running handlers, `stopMs` at most; then their signals are aborted, and those that
   * do not end within a second are left alone: their jobs are lost a little later, and come again as the next attempt. Of a
   * job of several messages those that no handler has begun are given back at once (no attempt is counted).
   */
  stop(): Promise<void> {
    return (this.#stopped ??= this.#stop());
  }

  async #subscribe(deadline: number): Promise<void> {
    const { client, topic, subscription = {}, broadcasting = false } = this.options;
    if (client === undefined || subscription === false) return;
    const settings = settingsOf('queue', subscription, broadcasting, 60_000);
    const { signal } = this.#ending;
    await subscribeFirmly(client, { topic, group: this.group }, settings, deadline, signal, (error) =>
      tell(this.options, error, { during: 'subscribe' }),
    );
  }

  async #ready(queue: Bull.Queue, deadline: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const fail = (): void => reject(new Error(`Redis did not answer for ${this.topic}/${this.group}`));
      timer = setTimeout(fail, Math.max(0, deadline - performance.now()));
    });
    try {
      await Promise.race([answering(queue), late]);
    } catch (error) {
      await this.stop();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  async #stop(): Promise<void> {
    this.#ending.abort();
    if (this.#bull === undefined) return;
    const { queue, close } = this.#bull;
    const { stopMs = 25_000 } = this.options;
    const abort = setTimeout(() => this.#handlers.abortRunning(), stopMs);
    // Pausing here waits for the running jobs. It fails where Redis is away, and then no end of theirs could be told.
    const ended = queue.pause(true).catch(() => undefined);
    this.#handlers.close();
    await Promise.race([ended, after(stopMs + lastEndsMs, this.#left.signal)]);
    clearTimeout(abort);
    if (this.#handlers.giveUp()) await Promise.race([ended, after(lastEndsMs, this.#left.signal)]);
    this.#left.abort();
    // Ends the locks of jobs that did not end.
    await queue.close(true);
    await close();
  }

  /** Bull tries again by itself; the first failure of a series is reported. */
  #queueFailed(error: Error): void {
    if (this.#away || this.#stopped !== undefined) return;
    this.#away = true;
    this.#bull?.queue.client.once('ready', () => {
      this.#away = false;
      tellRecovered(this.options);
    });
    this.#report(error, 'queue');
  }

  #report(error: Error, during: ConsumeFailure['during'], messageId?: string): void {
    const { topic, onError } = this.options;
    tell({ topic, group: this.group, onError }, error, { during, ...(messageId !== undefined && { messageId }) });
  }
}

/** Bull's own `isReady` does not wait for Redis. */
async function answering(queue: Bull.Queue): Promise<void> {
  await queue.isReady();
  if (queue.client.status !== 'ready') await new Promise<void>((resolve) => queue.client.once('ready', resolve));
}

function after(ms: number, signal: AbortSignal): Promise<void> {
  // Rejects only when it is no longer waited for.
  return wait(ms, undefined, { signal }).catch(() => undefined);
}

/** Read anew: a stop may have come while something was waited for. */
function isOver(signal: AbortSignal): boolean {
  return signal.aborted;
}

import type { Clock } from '../../message/clock.js';
import type { BackgroundService } from '../../runtime/background-service.js';
import type { Logger } from '../../runtime/logger.js';
import { Loop } from '../../runtime/loop.js';
import type { StreamStore } from '../../store/stream-store.js';
import type { InstanceKey, OpenStreams } from './open-streams.js';

export interface StreamRowsParts {
  open: OpenStreams;
  store: Pick<StreamStore, 'open' | 'close'>;
  nodeId: string;
  clock: Clock;
  logger: Logger;
  refreshMs: number;
  /** Told of producers that have a new instance to ask, after every node can find it. */
  onStored: (producer: string) => Promise<void>;
}

/** Streams that come and go together are written together. */
const gatherMs = 20;

/**
 * Keeps the store's rows in step with the streams that this node holds: what changed is written soon, one batch at a
 * time, and again after a failure; everything now and then, since the rows of a node that was away for long are removed.
 */
export class StreamRows implements BackgroundService {
  readonly #loop: Loop;
  #changed = new Map<string, InstanceKey>();
  #refreshAt = 0;

  constructor(private readonly parts: StreamRowsParts) {
    const { open, clock, logger, refreshMs } = parts;
    this.#loop = new Loop((now) => this.runOnce(now), {
      name: 'streams',
      intervalMs: refreshMs,
      retryMs: 250,
      retryMsMax: 5_000,
      clock,
      logger,
    });
    for (const event of ['opened', 'closed'] as const) open.events.on(event, (key) => this.#note(key));
  }

  start(): void {
    this.#refreshAt = this.parts.clock.now() + this.parts.refreshMs;
    this.#loop.start();
  }

  /** Writes nothing more. The rows go with the node's own row. */
  stop(): Promise<void> {
    return this.#loop.stop();
  }

  async runOnce(now: number): Promise<boolean> {
    const { open, store, nodeId, refreshMs } = this.parts;
    const changed = [...this.#changed.values()];
    this.#changed = new Map();
    const isOpen = (key: InstanceKey): boolean => open.of(key).length > 0;
    const rows = (keys: InstanceKey[]) => keys.map((key) => ({ ...key, nodeId }));
    const refresh = now >= this.#refreshAt;
    const opened = changed.filter(isOpen);
    try {
      await store.close(rows(changed.filter((key) => !isOpen(key))));
      await store.open(rows(refresh ? open.keys() : opened), now);
    } catch (error) {
      for (const key of changed) this.#remember(key);
      throw error;
    }
    if (refresh) this.#refreshAt = now + refreshMs;
    await this.#tell(new Set(opened.map(({ producer }) => producer)));
    return this.#changed.size > 0;
  }

  async #tell(producers: Set<string>): Promise<void> {
    for (const producer of producers) {
      try {
        await this.parts.onStored(producer);
      } catch (error) {
        // Its transactions are asked about when they are due by themselves.
        this.parts.logger.warn({ err: error, producer }, 'checks that waited for a producer could not be made due');
      }
    }
  }

  #note(key: InstanceKey): void {
    this.#remember(key);
    this.#loop.wake(gatherMs);
  }

  #remember(key: InstanceKey): void {
    this.#changed.set(`${key.producer} ${key.instance}`, key);
  }
}

import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { audit, type Audit } from './audit/audit.js';
import type { Cause } from './audit/evidence.js';
import { openReader, text, type SqlReader } from './audit/sql.js';
import { readStore, type StoreImage } from './audit/store-image.js';
import { unfinished } from './audit/stuck.js';
import type { ProducerEntry } from './facts.js';
import { readJournal } from './journal.js';
import type { Scene } from './scene.js';
import { maxAttempts } from './topology.js';

/** What a broker logs when another one has taken a subscription from it. */
const leaseLost = 'this node no longer owns a subscription';
/** How long after a restart a kill still may be why a message comes again: claims of consumers that never heard run out. */
const aftermathMs = 1_500;

/** Looks at a scene from outside: the store, the applications' databases, the engine, the journals. */
export class Observer {
  readonly #images: StoreImage[] = [];
  #store: SqlReader | undefined;

  private constructor(
    private readonly scene: Scene,
    private readonly shop: SqlReader,
    private readonly sink: SqlReader,
  ) {}

  static async of(scene: Scene): Promise<Observer> {
    return new Observer(scene, await openReader(scene.shopDatabase), await openReader(scene.sinkDatabase));
  }

  /** Reads the store as it is and keeps that for the audit. */
  async look(): Promise<StoreImage> {
    this.#store ??= await openReader(this.scene.storeUrl);
    const image = await readStore(this.#store);
    this.#images.push(image);
    return image;
  }

  /**
   * Waits until nothing has to move any more; answers what still has to when nothing has moved for `stillMsMax`. Whatever
   * could make something move again must have stopped.
   */
  async quiet(stillMsMax: number): Promise<string[]> {
    let before = '';
    let movedAt = Date.now();
    for (;;) {
      this.#store ??= await openReader(this.scene.storeUrl);
      const image = await readStore(this.#store);
      const left = [...unfinished(image), ...(await this.#leftElsewhere())];
      if (left.length === 0) return left;
      const now = left.join();
      if (now !== before) movedAt = Date.now();
      before = now;
      if (Date.now() - movedAt > stillMsMax) return left;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** The store's server was started anew: what is read from now on is read over a new connection. */
  async reconnect(): Promise<void> {
    const store = this.#store;
    this.#store = undefined;
    await store?.close().catch(() => undefined);
  }

  /** Audits everything since the scene began. */
  async audit(): Promise<Audit> {
    await this.look();
    const { scene } = this;
    const orders = await this.shop.rows('SELECT id FROM shop_order');
    const effects = await this.sink.rows('SELECT message FROM effect');
    return audit({
      producer: readJournal<ProducerEntry>(scene.path('producer.jsonl')),
      consumer: scene.consumerEntries(),
      orders: new Set(orders.map((row) => text(row['id']))),
      effects: effects.map((row) => text(row['message'])),
      images: this.#images,
      subscriptions: scene.subscriptions,
      left: await this.#leftElsewhere(),
      causes: this.#causes(),
      maxAttempts,
    });
  }

  async close(): Promise<void> {
    await Promise.all([this.shop.close(), this.sink.close(), this.#store?.close()]);
  }

  #causes(): Cause[] {
    const kills = this.scene.kills.map(({ at, process, blockMs = 0, victimPid }): Cause => ({
      at,
      until: at + blockMs + aftermathMs,
      what: victimPid !== undefined ? 'server killed' : `${process} ${blockMs > 0 ? 'blocked' : 'killed'}`,
    }));
    return [...kills, ...this.#lostLeases(), ...this.scene.disturbances];
  }

  /** What the brokers have logged of leases that they could not keep. */
  #lostLeases(): Cause[] {
    return this.scene.brokers.flatMap((_, index) =>
      readFileSync(this.scene.path(`broker-${index}.log`), 'utf8')
        .split('\n')
        .filter((line) => line.includes(`"msg":"${leaseLost}"`))
        .map((line) => {
          const { time } = JSON.parse(line) as { time: number };
          return { at: time - aftermathMs, until: time + aftermathMs, what: 'lease lost' };
        }),
    );
  }

  async #leftElsewhere(): Promise<string[]> {
    const [outbox] = await this.shop.rows('SELECT COUNT(*) AS held FROM halfbox_outbox');
    const held = Number(outbox?.['held']);
    return [...(held > 0 ? [`${held} messages are in the outbox`] : []), ...(await this.#leftInRedis())];
  }

  async #leftInRedis(): Promise<string[]> {
    const { redisUrl } = this.scene;
    if (redisUrl === undefined) return [];
    const redis = new Redis(redisUrl);
    try {
      const left: string[] = [];
      for (const list of ['wait', 'paused', 'active']) {
        const count = await redis.llen(`halfbox:orders.bull:${list}`);
        if (count > 0) left.push(`${count} jobs are ${list}`);
      }
      for (const set of ['completed', 'failed', 'delayed']) {
        const count = await redis.zcard(`halfbox:orders.bull:${set}`);
        if (count > 0) left.push(`${count} jobs are ${set}`);
      }
      return left;
    } finally {
      redis.disconnect();
    }
  }
}

import { BullConsumer, type BullConsumerOptions } from '../../../src/client/index.js';
import { RunningBroker } from '../../api/running-broker.js';
import { PrivateRedis } from '../../queue/private-redis.js';
import { ConsumedBroker } from './consuming.js';

type OwnOptions<Body> = Partial<BullConsumerOptions<Body>> & Pick<BullConsumerOptions<Body>, 'topic' | 'handler'>;

/** With consumers that work on a Bull queue, in a Redis of the suite's own. */
export class BullConsuming extends ConsumedBroker {
  private constructor(
    broker: RunningBroker,
    readonly redis: PrivateRedis,
  ) {
    super(broker);
  }

  static async start(): Promise<BullConsuming> {
    const redis = await PrivateRedis.start();
    return new BullConsuming(await RunningBroker.start({ redisUrl: redis.url }), redis);
  }

  /** A consumer of group `g` that is stopped with the test. */
  consumer<Body>(options: OwnOptions<Body>): BullConsumer<Body> {
    return this.stoppedWithTest(new BullConsumer<Body>({ redis: this.redis.url, ...this.defaults, ...options }));
  }

  async started<Body>(options: OwnOptions<Body>): Promise<BullConsumer<Body>> {
    const consumer = this.consumer(options);
    await consumer.start();
    return consumer;
  }

  override async stop(): Promise<void> {
    await super.stop();
    await this.redis.stop();
  }
}

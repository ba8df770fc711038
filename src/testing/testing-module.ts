import { Module, type DynamicModule, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import type { AnyTopics, TopicMap } from '../client/producer/topic-map.js';
import { HalfboxBroker } from '../nest/broker/halfbox-broker.js';
import { HALFBOX_OPTIONS, type HalfboxModuleOptions } from '../nest/broker/halfbox-options.js';
import { HalfboxTestingBroker, type TestingOptions } from './testing-broker.js';

/** What is used of Nest's `TestingModuleBuilder`. */
interface ModuleBuilder {
  overrideProvider(token: unknown): {
    useFactory(options: { inject: unknown[]; factory: (options: HalfboxModuleOptions) => unknown }): unknown;
  };
}

/**
 * A {@link HalfboxTestingBroker} in the application under test, seen by every module: as `HalfboxTestingBroker` by the
 * test, and as `HalfboxBroker` by what the application embeds.
 */
@Module({})
export class HalfboxTestingModule implements OnModuleInit, OnApplicationShutdown {
  constructor(private readonly broker: HalfboxTestingBroker) {}

  /** For an application that has no broker of its own. */
  static forRoot<Topics extends TopicMap = AnyTopics>(options: TestingOptions<Topics> = {}): DynamicModule {
    return {
      module: HalfboxTestingModule,
      global: true,
      providers: [
        { provide: HalfboxTestingBroker, useFactory: () => new HalfboxTestingBroker(options) },
        { provide: HalfboxBroker, useExisting: HalfboxTestingBroker },
      ],
      exports: [HalfboxTestingBroker, HalfboxBroker],
    };
  }

  /**
   * Puts a testing broker in the place of the one of the application's `HalfboxModule`, with its settings and `options`.
   * `HalfboxTestingModule.replaceIn(Test.createTestingModule({ imports: [AppModule] })).compile()`; then
   * {@link HalfboxTestingModule.brokerOf}.
   */
  static replaceIn<Builder extends ModuleBuilder>(builder: Builder, options: TestingOptions = {}): Builder {
    builder.overrideProvider(HalfboxBroker).useFactory({
      inject: [HALFBOX_OPTIONS],
      factory: ({ api: _a, storeUrl: _s, redisUrl: _r, host: _h, port: _p, advertiseUrl: _u, ...settings }) =>
        new HalfboxTestingBroker({ ...settings, ...options }),
    });
    return builder;
  }

  /** The testing broker of an application or a testing module. */
  static brokerOf<Topics extends TopicMap = AnyTopics>(application: {
    get(token: typeof HalfboxBroker, options: { strict: false }): HalfboxBroker;
  }): HalfboxTestingBroker<Topics> {
    const broker = application.get(HalfboxBroker, { strict: false });
    if (broker instanceof HalfboxTestingBroker) return broker as HalfboxTestingBroker<Topics>;
    throw new Error('the broker of this application is not a testing broker: see HalfboxTestingModule.replaceIn');
  }

  async onModuleInit(): Promise<void> {
    await this.broker.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.broker.stop();
  }
}

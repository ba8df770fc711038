import { Module, type DynamicModule, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost, ModuleRef } from '@nestjs/core';
import type { AnyTopics, TopicMap } from '../client/producer/topic-map.js';
import { HalfboxBroker } from '../nest/broker/halfbox-broker.js';
import { HALFBOX_OPTIONS, type HalfboxModuleOptions } from '../nest/broker/halfbox-options.js';
import { CheckBackExplorer } from '../nest/client/check-back.js';
import { HalfboxClientCore } from '../nest/client/client-core.js';
import { HALFBOX_CLIENT_OPTIONS, type HalfboxClientModuleOptions } from '../nest/client/client-options.js';
import { TestedClientCore } from './tested-client-core.js';
import { HalfboxTestingBroker, type TestingOptions } from './testing-broker.js';

/** What is used of Nest's `TestingModuleBuilder`. */
interface ModuleBuilder {
  overrideProvider(token: unknown): {
    useFactory(options: { inject: unknown[]; factory: (...injected: never[]) => unknown }): unknown;
  };
}

/** What is used of an application, or of a testing module. */
interface Application {
  get(token: typeof HalfboxBroker | typeof HalfboxClientCore, options: { strict: false }): unknown;
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
   * Puts a testing broker in the place of the one that the application uses: of its `HalfboxModule`, with that one's settings
   * and `options`, and of those elsewhere that its `HalfboxClientModule` is for, whose producers then are asked in process.
   * `HalfboxTestingModule.replaceIn(Test.createTestingModule({ imports: [AppModule] })).compile()`; then
   * {@link HalfboxTestingModule.brokerOf}. A `HalfboxServer` gets its `client`.
   */
  static replaceIn<Builder extends ModuleBuilder>(builder: Builder, options: TestingOptions = {}): Builder {
    builder.overrideProvider(HalfboxBroker).useFactory({
      inject: [HALFBOX_OPTIONS],
      factory: (own: HalfboxModuleOptions) => {
        const { api: _a, storeUrl: _s, redisUrl: _r, host: _h, port: _p, advertiseUrl: _u, ...settings } = own;
        return new HalfboxTestingBroker({ ...settings, ...options });
      },
    });
    builder.overrideProvider(HalfboxClientCore).useFactory({
      inject: [HALFBOX_CLIENT_OPTIONS, ModuleRef, CheckBackExplorer, HttpAdapterHost],
      factory: (
        own: HalfboxClientModuleOptions,
        modules: ModuleRef,
        explorer: CheckBackExplorer,
        http: HttpAdapterHost,
      ) => new TestedClientCore(own, modules, explorer, http, options),
    });
    return builder;
  }

  /** The testing broker of an application or a testing module. */
  static brokerOf<Topics extends TopicMap = AnyTopics>(application: Application): HalfboxTestingBroker<Topics> {
    const broker = brokerOf(application);
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

/** The provided one, else the one of the producers. */
function brokerOf(application: Application): unknown {
  try {
    return application.get(HalfboxBroker, { strict: false });
  } catch {
    return (application.get(HalfboxClientCore, { strict: false }) as HalfboxClientCore).broker;
  }
}

import {
  Module,
  type DynamicModule,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleInit,
  type Provider,
} from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { HalfboxClient, Producer } from '../../client/index.js';
import type { AsyncOptions, Visibility } from '../broker/halfbox-module.js';
import { CheckBackExplorer } from './check-back.js';
import { HalfboxClientCore } from './client-core.js';
import {
  HALFBOX_CLIENT_OPTIONS,
  type HalfboxClientModuleOptions,
  type HalfboxProducerOptions,
} from './client-options.js';
import { getAnswererToken, getProducerToken } from './tokens.js';

/** The providers; global, while what ends them is not: global modules end last, and databases are such modules. */
@Module({})
class HalfboxClientProviders {}

/** Producers that one module adds. */
@Module({})
class HalfboxClientFeature {}

const ofRoot: Provider[] = [
  HalfboxClientCore,
  CheckBackExplorer,
  { provide: HalfboxClient, inject: [HalfboxClientCore], useFactory: (core: HalfboxClientCore) => core.client },
  {
    provide: getProducerToken(),
    inject: [HalfboxClientCore],
    useFactory: (core: HalfboxClientCore) => core.default.producer,
  },
  { provide: Producer, useExisting: getProducerToken() },
  {
    provide: getAnswererToken(),
    inject: [HalfboxClientCore],
    useFactory: (core: HalfboxClientCore) => core.default.answerer,
  },
];

/**
 * Producers of this application, on brokers elsewhere or on the one of its `HalfboxModule`. Inject `Producer<Topics>`, or
 * `@InjectProducer('name')`. With a `dataSource` or a `@CheckBack()` handler the brokers ask this process how silent
 * transactions ended, from the application's bootstrap until its producers have finished at its shutdown.
 */
@Module({})
export class HalfboxClientModule implements OnModuleInit, OnApplicationBootstrap, OnApplicationShutdown {
  constructor(private readonly core: HalfboxClientCore) {}

  /** Every module sees it, unless `isGlobal` is false. */
  static forRoot({ isGlobal, ...options }: HalfboxClientModuleOptions & Visibility): DynamicModule {
    const named: Provider[] = [
      { provide: getProducerToken(options.producer), useExisting: getProducerToken() },
      { provide: getAnswererToken(options.producer), useExisting: getAnswererToken() },
    ];
    return root(isGlobal, [{ provide: HALFBOX_CLIENT_OPTIONS, useValue: options }, ...named]);
  }

  /** As {@link forRoot}, with options that other providers know. Its producer is injected without a name. */
  static forRootAsync({
    isGlobal,
    imports,
    inject,
    useFactory,
  }: AsyncOptions<HalfboxClientModuleOptions>): DynamicModule {
    return root(isGlobal, [{ provide: HALFBOX_CLIENT_OPTIONS, inject: inject ?? [], useFactory }], imports);
  }

  /** Further producers, to be injected by `@InjectProducer('name')`; a name that is there already is that producer. */
  static forFeature(producers: readonly HalfboxProducerOptions[]): DynamicModule {
    const providers = producers.flatMap((options): Provider[] => [
      {
        provide: getProducerToken(options.producer),
        inject: [HalfboxClientCore],
        useFactory: (core: HalfboxClientCore) => core.producer(options).producer,
      },
      {
        provide: getAnswererToken(options.producer),
        inject: [HalfboxClientCore],
        useFactory: (core: HalfboxClientCore) => core.producer(options).answerer,
      },
    ]);
    return { module: HalfboxClientFeature, providers, exports: tokensOf(providers) };
  }

  onModuleInit(): void {
    this.core.init();
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.core.open();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.core.close();
  }
}

function root(isGlobal = true, own: Provider[], imports: DynamicModule['imports'] = []): DynamicModule {
  const providers = [...ofRoot, ...own];
  const inner: DynamicModule = {
    module: HalfboxClientProviders,
    global: isGlobal,
    imports: [DiscoveryModule, ...imports],
    providers,
    exports: tokensOf(providers),
  };
  return { module: HalfboxClientModule, imports: [inner], exports: [inner] };
}

function tokensOf(providers: Provider[]): NonNullable<DynamicModule['exports']> {
  return providers.map((provider) => ('provide' in provider ? provider.provide : provider));
}

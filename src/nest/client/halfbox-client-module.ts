import {
  Module,
  type DynamicModule,
  type InjectionToken,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleInit,
  type Provider,
} from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { HalfboxClient, Inbox, Outbox, Producer, RedisInbox } from '../../client/index.js';
import type { AsyncOptions, Visibility } from '../broker/halfbox-module.js';
import { checkBackController } from './check-back-controller.js';
import { CheckBackExplorer } from './check-back.js';
import { HalfboxClientCore } from './client-core.js';
import {
  HALFBOX_CLIENT_OPTIONS,
  type HalfboxClientModuleOptions,
  type HalfboxProducerOptions,
} from './client-options.js';
import { getAnswererToken, getInboxToken, getOutboxToken, getProducerToken } from './tokens.js';
import type { WiredProducer } from './wired-producer.js';

/** The providers; global, while what ends them is not: global modules end last, and databases are such modules. */
@Module({})
class HalfboxClientProviders {}

/** Producers that one module adds. */
@Module({})
class HalfboxClientFeature {}

const fromCore = (provide: InjectionToken, useFactory: (core: HalfboxClientCore) => unknown): Provider => ({
  provide,
  inject: [HalfboxClientCore],
  useFactory,
});

/** What one producer has to be injected. What it has not is undefined: `HalfboxClientCore` refuses whoever wants it. */
const ofProducer = (name: string | undefined, wired: (core: HalfboxClientCore) => WiredProducer): Provider[] => [
  fromCore(getProducerToken(name), (core) => wired(core).producer),
  fromCore(getAnswererToken(name), (core) => wired(core).answerer),
  fromCore(getOutboxToken(name), (core) => wired(core).outbox?.outbox),
  fromCore(getInboxToken(name), (core) => wired(core).inbox),
];

const inboxOf = <Kind>(core: HalfboxClientCore, kind: new (...args: never[]) => Kind): Kind | undefined =>
  core.default.inbox instanceof kind ? core.default.inbox : undefined;

const ofRoot: Provider[] = [
  HalfboxClientCore,
  CheckBackExplorer,
  fromCore(HalfboxClient, (core) => core.client),
  ...ofProducer(undefined, (core) => core.default),
  fromCore(Producer, (core) => core.default.producer),
];
const outboxByClass = fromCore(Outbox, (core) => core.default.outbox?.outbox);
const inboxesByClass: Provider[] = [
  fromCore(Inbox, (core) => inboxOf(core, Inbox)),
  fromCore(RedisInbox, (core) => inboxOf(core, RedisInbox)),
];

/**
 * Producers of this application, on brokers elsewhere or on the one of its `HalfboxModule`. Inject `Producer<Topics>`, or
 * `@InjectProducer('name')`; where the options ask for them also `Outbox` and `Inbox`. With a `dataSource` or a `@CheckBack()` handler the brokers ask this process how silent
 * transactions ended, from the application's bootstrap until its producers have finished at its shutdown.
 */
@Module({})
export class HalfboxClientModule implements OnModuleInit, OnApplicationBootstrap, OnApplicationShutdown {
  constructor(private readonly core: HalfboxClientCore) {}

  /** Every module sees it, unless `isGlobal` is false. */
  static forRoot({ isGlobal, ...options }: HalfboxClientModuleOptions & Visibility): DynamicModule {
    const named = ofProducer(options.producer, (core) => core.default);
    // Only where they are asked for: the application may make some itself, and look them up by their class.
    if (options.outbox) named.push(outboxByClass);
    if (options.inbox) named.push(...inboxesByClass);
    return root(isGlobal, [{ provide: HALFBOX_CLIENT_OPTIONS, useValue: options }, ...named]);
  }

  /** As {@link forRoot}, with options that other providers know. Its producer is injected without a name. */
  static forRootAsync({
    isGlobal,
    imports,
    inject,
    useFactory,
  }: AsyncOptions<HalfboxClientModuleOptions>): DynamicModule {
    const options: Provider = { provide: HALFBOX_CLIENT_OPTIONS, inject: inject ?? [], useFactory };
    return root(isGlobal, [options, outboxByClass, ...inboxesByClass], imports);
  }

  /** Further producers, to be injected by `@InjectProducer('name')`; a name that is there already is that producer. */
  static forFeature(producers: readonly HalfboxProducerOptions[]): DynamicModule {
    const providers = producers.flatMap((options) => ofProducer(options.producer, (core) => core.producer(options)));
    const controller = checkBackController((core) => producers.map((options) => core.producer(options)));
    return { module: HalfboxClientFeature, controllers: [controller], providers, exports: tokensOf(providers) };
  }

  async onModuleInit(): Promise<void> {
    await this.#orFree(async () => this.core.init());
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.#orFree(() => this.core.open());
  }

  async onApplicationShutdown(): Promise<void> {
    await this.core.close();
  }

  /** An application that could not be created is never closed: what was started of it would keep its process alive. */
  async #orFree(start: () => Promise<void>): Promise<void> {
    try {
      await start();
    } catch (error) {
      await this.core.abandon();
      throw error;
    }
  }
}

function root(isGlobal = true, own: Provider[], imports: DynamicModule['imports'] = []): DynamicModule {
  const providers = [...ofRoot, ...own];
  const inner: DynamicModule = {
    module: HalfboxClientProviders,
    global: isGlobal,
    imports: [DiscoveryModule, ...imports],
    controllers: [checkBackController((core) => [core.default])],
    providers,
    exports: tokensOf(providers),
  };
  return { module: HalfboxClientModule, imports: [inner], exports: [inner] };
}

function tokensOf(providers: Provider[]): NonNullable<DynamicModule['exports']> {
  return providers.map((provider) => ('provide' in provider ? provider.provide : provider));
}

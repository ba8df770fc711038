import {
  Module,
  type DynamicModule,
  type FactoryProvider,
  type ModuleMetadata,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import type { AnyTopics, TopicMap } from '../../client/producer/topic-map.js';
import { HalfboxBroker } from './halfbox-broker.js';
import { HALFBOX_OPTIONS, type HalfboxModuleOptions } from './halfbox-options.js';

/** Whether every module sees it, without importing it. Default false. */
export interface Visibility {
  isGlobal?: boolean | undefined;
}

/** Options that come from other providers. */
export interface AsyncOptions<Options> extends Visibility, Pick<ModuleMetadata, 'imports'> {
  inject?: FactoryProvider['inject'];
  // The arguments are those of `inject`, whose types Nest does not carry over.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  useFactory: (...args: any[]) => Options | Promise<Options>;
}

/**
 * A broker inside this application. `Topics` names the topics and the types of their bodies:
 * inject `HalfboxBroker<Topics>`, and a wrong payload does not compile.
 */
@Module({})
export class HalfboxModule implements OnModuleInit, OnApplicationShutdown {
  constructor(private readonly broker: HalfboxBroker) {}

  /** Wrong settings stop the application with a `SettingsError`. */
  static forRoot<Topics extends TopicMap = AnyTopics>(
    options: HalfboxModuleOptions<Topics> & Visibility = {},
  ): DynamicModule {
    const { isGlobal, ...rest } = options;
    return module({ isGlobal }, { provide: HALFBOX_OPTIONS, useValue: rest });
  }

  /** As {@link forRoot}, with options that other providers know. */
  static forRootAsync<Topics extends TopicMap = AnyTopics>({
    isGlobal,
    imports,
    inject,
    useFactory,
  }: AsyncOptions<HalfboxModuleOptions<Topics>>): DynamicModule {
    return module({ isGlobal, imports }, { provide: HALFBOX_OPTIONS, inject: inject ?? [], useFactory });
  }

  async onModuleInit(): Promise<void> {
    await this.broker.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.broker.stop();
  }
}

function module(
  { isGlobal = false, imports = [] }: Visibility & Pick<ModuleMetadata, 'imports'>,
  options: NonNullable<DynamicModule['providers']>[number],
): DynamicModule {
  return {
    module: HalfboxModule,
    global: isGlobal,
    imports,
    providers: [options, HalfboxBroker],
    exports: [HalfboxBroker],
  };
}

import type { HttpAdapterHost, ModuleRef } from '@nestjs/core';
import { HalfboxBroker } from '../nest/broker/halfbox-broker.js';
import type { CheckBackExplorer } from '../nest/client/check-back.js';
import { HalfboxClientCore } from '../nest/client/client-core.js';
import type { HalfboxClientModuleOptions, HalfboxProducerOptions } from '../nest/client/client-options.js';
import type { WiredProducer } from '../nest/client/wired-producer.js';
import { HalfboxTestingBroker, type TestingOptions } from './testing-broker.js';

/** The producers of an application under test: on a testing broker in this process, wherever their options lead. */
export class TestedClientCore extends HalfboxClientCore {
  #own: HalfboxTestingBroker | undefined;

  /** @param testing of the broker, where the application has none of its own */
  constructor(
    options: HalfboxClientModuleOptions,
    modules: ModuleRef,
    explorer: CheckBackExplorer,
    http: HttpAdapterHost,
    private readonly testing: TestingOptions,
  ) {
    super({ ...options, embedded: true, endpoints: undefined }, modules, explorer, http);
  }

  /** Asked in process too. */
  override producer(options: HalfboxProducerOptions): WiredProducer {
    const { checkBackUrl: _url, checkBackPattern: _pattern, ...others } = options;
    return super.producer(others);
  }

  override async close(): Promise<void> {
    await super.close();
    await this.#own?.stop();
  }

  protected override findBroker(): HalfboxBroker {
    try {
      return this.modules.get(HalfboxBroker, { strict: false });
    } catch {
      this.#own ??= new HalfboxTestingBroker(this.testing);
      return this.#own;
    }
  }
}

import type { INestMicroservice, Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import type { TestingModuleBuilder } from '@nestjs/testing';
import { HalfboxClient, HttpCaller } from '../../../src/client/index.js';
import { HalfboxServer, type HalfboxServerOptions } from '../../../src/nest/server/halfbox-server.js';
import type { SettingOptions } from '../../../src/config/settings.js';
import { RunningBroker } from '../../api/running-broker.js';
import { until } from '../../queue/until.js';

/** A broker, and NestJS applications that consume from it. */
export class Applications {
  readonly #running: INestMicroservice[] = [];

  private constructor(
    readonly broker: RunningBroker,
    readonly client: HalfboxClient,
  ) {}

  static async begin(options: SettingOptions = {}): Promise<Applications> {
    const broker = await RunningBroker.start(options);
    return new Applications(broker, new HalfboxClient(new HttpCaller({ url: broker.url })));
  }

  /** An application with one controller; it listens, and is closed with the test. */
  async listening(
    controller: Type,
    options: Partial<HalfboxServerOptions> = {},
    change: (builder: TestingModuleBuilder) => TestingModuleBuilder = (builder) => builder,
    prepare: (application: INestMicroservice) => void = () => undefined,
  ): Promise<{ application: INestMicroservice; server: HalfboxServer }> {
    const server = new HalfboxServer({ endpoints: [this.broker.url], group: 'g', ...options });
    const module = await change(Test.createTestingModule({ controllers: [controller] })).compile();
    const application = module.createNestMicroservice({ strategy: server, logger: false });
    prepare(application);
    this.#running.push(application);
    await application.listen();
    return { application, server };
  }

  async send(topic: string, ...bodies: unknown[]): Promise<string[]> {
    const { messages } = await this.client.send(bodies.map((body) => ({ topic, body })));
    return messages.map(({ id }) => id);
  }

  async stateOf(id: string, group = 'g'): Promise<{ state: string; attempt: number; error?: string; dueAt?: string }> {
    const { body } = await this.broker.get(`/v1/messages/${id}`);
    return body.deliveries.find((found: { group: string }) => found.group === group);
  }

  untilState(state: string, id: string, group = 'g') {
    return until(`${state}`, async () => {
      const found = await this.stateOf(id, group);
      return found.state === state && found;
    });
  }

  async reset(): Promise<void> {
    await Promise.all(this.#running.splice(0).map((application) => application.close()));
  }

  async end(): Promise<void> {
    await this.reset();
    await this.client.close();
    await this.broker.stop();
  }
}

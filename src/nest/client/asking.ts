import type { AbstractHttpAdapter } from '@nestjs/core';
import { CheckStream, type Caller, type EndpointsCaller } from '../../client/index.js';
import type { Logger } from '../../runtime/logger.js';
import type { HalfboxBroker } from '../broker/halfbox-broker.js';
import { CheckBackRoute } from './check-back-route.js';
import { ProducerRegistration, type CheckBackWay } from './producer-registration.js';
import type { WiredProducer } from './wired-producer.js';

/** The way from the application to its brokers. */
export type Way = { caller: Caller; broker: () => HalfboxBroker } | { caller: EndpointsCaller; broker?: undefined };

/** Lets the brokers ask one producer, in the way that its options say, from `open` to `close`. */
export class Asking {
  readonly #registration: ProducerRegistration | undefined;
  #close: () => Promise<void> = () => Promise.resolve();

  constructor(
    private readonly wired: WiredProducer,
    private readonly way: Way,
    private readonly logger: Logger,
  ) {
    const { checkBackUrl: url, checkBackPattern } = wired.options;
    const checkBack: CheckBackWay | undefined = url
      ? { type: 'http', url }
      : checkBackPattern && { type: 'microservice', ...checkBackPattern };
    if (!checkBack) return;
    if (way.broker) {
      throw new TypeError(`producer ${wired.name} is asked in process: it takes no checkBackUrl or checkBackPattern`);
    }
    this.#registration = new ProducerRegistration(way.caller, wired.name, checkBack, logger);
  }

  /** Serves the `checkBackUrl`, where there is one; to be called before the application listens. */
  serve(adapter: AbstractHttpAdapter | undefined): void {
    const { name, answerer, options } = this.wired;
    if (options.checkBackUrl === undefined) return;
    if (!adapter) throw new TypeError(`producer ${name}: a checkBackUrl needs an application with an HTTP server`);
    const registration = this.#registration!;
    const route = new CheckBackRoute({
      answerer,
      secret: () => registration.secret,
      wrongSignature: () => registration.look(),
      logger: this.logger,
    });
    route.serve(adapter, new URL(options.checkBackUrl).pathname);
  }

  open(): void {
    const { wired, way, logger } = this;
    const { name: producer, instance, answerer } = wired;
    if (!wired.canAnswer) {
      const text = `producer ${producer} has neither a dataSource nor a @CheckBack() handler: transactions of it that stay open wait for an operator, as parked`;
      logger.warn({}, text);
      return;
    }
    if (this.#registration) {
      const registration = this.#registration;
      registration.start();
      this.#close = () => registration.stop();
    } else if (way.broker) {
      const unregister = way.broker().node.broker.answerers.register(producer, instance, answerer);
      this.#close = async () => unregister();
    } else {
      const { caller } = way;
      const stream = new CheckStream({
        endpoints: () => caller.endpoints,
        apiKey: caller.apiKey,
        producer,
        instance,
        answerer,
        logger,
      });
      stream.start();
      this.#close = () => stream.close();
    }
  }

  close(): Promise<void> {
    return this.#close();
  }
}

import type { DataSource } from 'typeorm';
import { ApplicationProducer } from '../../client/application/application-producer.js';
import type { Caller } from '../../client/index.js';
import type { Logger } from '../../runtime/logger.js';
import type { HalfboxProducerOptions } from './client-options.js';

/** A producer of a NestJS application, whose database is found among its providers. */
export class WiredProducer extends ApplicationProducer {
  /** @param findDataSource looks up what `dataSource` names; throws where there is none */
  constructor(
    readonly options: HalfboxProducerOptions,
    caller: Caller,
    findDataSource: (named: NonNullable<HalfboxProducerOptions['dataSource']>) => DataSource,
    logger: Logger,
  ) {
    const { dataSource: named, checkBackUrl, checkBackPattern, ...others } = options;
    if (checkBackUrl !== undefined && checkBackPattern !== undefined) {
      throw new TypeError(`producer ${options.producer}: give checkBackUrl or checkBackPattern`);
    }
    const dataSource = named === undefined ? undefined : () => findDataSource(named);
    super(others, { caller, dataSource, logger });
  }
}

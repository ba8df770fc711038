import type { Logger } from '../../runtime/logger.js';
import { reasonOf } from './failures.js';

/** What a client of `@nestjs/microservices` logs through, instead of writing to the console by itself. */
export interface ClientLogger {
  log(message: unknown): void;
  error(message: unknown): void;
  warn(message: unknown): void;
  debug(message: unknown): void;
  verbose(message: unknown): void;
}

/** Puts a client's own words at debug level, errors as their codes only: their texts may hold addresses and passwords. */
export function quietLogger(transport: string, logger: Logger): ClientLogger {
  const say = (message: unknown): void => {
    const words = typeof message === 'string' ? message : reasonOf(message);
    logger.debug({ transport, words }, 'a client of a microservice transport says');
  };
  return { log: say, error: say, warn: say, debug: say, verbose: say };
}

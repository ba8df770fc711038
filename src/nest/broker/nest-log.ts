import { Logger as NestLogger } from '@nestjs/common';
import type { Logger } from '../../runtime/logger.js';

/** Writes through Nest's logger: `message {fields}`, and the stack of an error. Nothing is said below `info`. */
export class NestLog implements Logger {
  readonly #nest: NestLogger;

  constructor(context: string) {
    this.#nest = new NestLogger(context);
  }

  debug(): void {}

  info(fields: object, message: string): void {
    this.#nest.log(lineOf(fields, message));
  }

  warn(fields: object, message: string): void {
    this.#nest.warn(lineOf(fields, message));
  }

  error(fields: object, message: string): void {
    const { err } = fields as { err?: unknown };
    this.#nest.error(lineOf(fields, message), err instanceof Error ? err.stack : undefined);
  }
}

function lineOf(fields: object, message: string): string {
  const { err, ...others } = fields as Record<string, unknown>;
  const cause = err === undefined ? '' : `: ${err instanceof Error ? err.message : String(err)}`;
  const details = Object.keys(others).length === 0 ? '' : ` ${JSON.stringify(others)}`;
  return `${message}${cause}${details}`;
}

import { Logger, type LoggerService } from '@nestjs/common';

/** Whose lines say only that Nest builds the HTTP API: one a route. */
const builders = new Set(['NestFactory', 'InstanceLoader', 'RoutesResolver', 'RouterExplorer', 'NestApplication']);

/** Nest keeps one logger for the whole process, and a buffer in front of it while an application starts. */
class ProcessLogger extends Logger {
  static get current(): LoggerService | undefined {
    return Logger.staticInstanceRef;
  }
}
const buffer = Logger as unknown as { isBufferAttached?: boolean };

/** Hands everything on, but for what Nest says of its own building. */
class QuietLogger implements LoggerService {
  constructor(private readonly next: LoggerService | undefined) {}

  log(message: unknown, ...params: unknown[]): void {
    if (!builders.has(String(params.at(-1)))) this.next?.log(message, ...params);
  }

  error(message: unknown, ...params: unknown[]): void {
    this.next?.error(message, ...params);
  }

  warn(message: unknown, ...params: unknown[]): void {
    this.next?.warn(message, ...params);
  }

  debug(message: unknown, ...params: unknown[]): void {
    if (!builders.has(String(params.at(-1)))) this.next?.debug?.(message, ...params);
  }

  verbose(message: unknown, ...params: unknown[]): void {
    this.next?.verbose?.(message, ...params);
  }

  fatal(message: unknown, ...params: unknown[]): void {
    this.next?.fatal?.(message, ...params);
  }
}

/**
 * Runs something that builds a Nest application inside a process that may be a Nest application itself: its logger is
 * the same afterwards, and hears everything meanwhile but the lines about the routes of the broker.
 */
export async function buildQuietly<Built>(build: () => Promise<Built>): Promise<Built> {
  const before = ProcessLogger.current;
  const buffered = buffer.isBufferAttached;
  const quiet = new QuietLogger(before);
  Logger.overrideLogger(quiet);
  buffer.isBufferAttached = false;
  try {
    return await build();
  } finally {
    // Whoever set another logger meanwhile meant it.
    if (ProcessLogger.current === quiet) Logger.overrideLogger(before ?? false);
    buffer.isBufferAttached ||= buffered;
  }
}

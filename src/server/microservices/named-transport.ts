import { setTimeout as wait } from 'node:timers/promises';
import { firstValueFrom, fromEvent, lastValueFrom, takeUntil, type Observable } from 'rxjs';
import { MicroserviceFailure } from '../../callback/microservice-failure.js';
import type { TransportSettings } from '../../config/microservices.js';
import type { ExternalMessage } from '../../deliver/external-sender.js';
import type { Logger } from '../../runtime/logger.js';
import { Deadline } from './deadline.js';
import { askFailure, emitFailure, reasonOf } from './failures.js';
import { openClient } from './open-client.js';
import { quietLogger } from './quiet-logger.js';
import type { TransportClient } from './transport-client.js';

/** A peer that has gone silently is not waited for. */
const closeMsMax = 2_000;

/** One connection, from its first use on. */
interface Connection {
  opened: Promise<TransportClient>;
}

/**
 * One named transport: at most one connection, made at its first use. A connection that fails or does not confirm in
 * time is closed, which gives up what it had not yet sent, and the next use makes a new one.
 */
export class NamedTransport {
  #connection: Connection | null = null;
  readonly #closing = new Set<Promise<void>>();
  #down = false;
  #closed = false;

  constructor(
    private readonly name: string,
    private readonly settings: TransportSettings,
    private readonly logger: Logger,
  ) {}

  /** See `ExternalSender.emit`. */
  async emit(pattern: string, message: ExternalMessage, timeoutMs: number): Promise<void> {
    const deadline = new Deadline(timeoutMs);
    try {
      const { connection, client } = await this.#connected(deadline);
      await this.#confirmed(connection, client, pattern, message, deadline);
    } finally {
      deadline.end();
    }
  }

  /** The first value that the pattern's handler answers. See `MicroserviceCaller.ask`. */
  async ask(pattern: string, question: unknown, timeoutMs: number, signal: AbortSignal): Promise<unknown> {
    const deadline = new Deadline(timeoutMs, signal);
    try {
      const { proxy, question: wrap } = (await this.#connected(deadline)).client;
      const answers = proxy.send<unknown>(pattern, wrap(question, timeoutMs));
      return await deadline.bound(firstOf(answers, deadline.over), 'no answer in time');
    } catch (error) {
      throw askFailure(error);
    } finally {
      deadline.end();
    }
  }

  /** Ends the connection; what is under way fails. Resolves when it is closed, after 2 s in any case. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#connection) this.#discard(this.#connection);
    const over = new AbortController();
    const timeout = wait(closeMsMax, undefined, { signal: over.signal }).catch(nothing);
    await Promise.race([Promise.all(this.#closing), timeout]);
    over.abort();
  }

  async #confirmed(
    connection: Connection,
    { proxy, event }: TransportClient,
    pattern: string,
    message: ExternalMessage,
    deadline: Deadline,
  ): Promise<void> {
    try {
      const confirmed = lastValueFrom(proxy.emit<unknown>(pattern, event(message)), { defaultValue: undefined });
      await deadline.bound(confirmed, 'not confirmed in time');
    } catch (error) {
      const failure = emitFailure(error);
      // What waits in the connection must not be sent after a later try.
      if (failure.kind === 'timeout') this.#discard(connection);
      throw failure;
    }
  }

  /** The connection, made where there is none; the same one for all that use it. */
  async #connected(deadline: Deadline): Promise<{ connection: Connection; client: TransportClient }> {
    if (this.#closed) throw new MicroserviceFailure('unreachable', 'the broker is stopping');
    const connection = (this.#connection ??= { opened: this.#open() });
    try {
      const client = await connection.opened;
      await deadline.bound(client.proxy.connect(), 'no connection in time');
      if (this.#down) this.logger.info({ transport: this.name }, 'a microservice transport is reachable again');
      this.#down = false;
      return { connection, client };
    } catch (error) {
      this.#discard(connection);
      throw this.#noteDown(error);
    }
  }

  async #open(): Promise<TransportClient> {
    const { transport, options } = this.settings;
    const client = await openClient(transport, options);
    Object.assign(client.proxy, { logger: quietLogger(this.name, this.logger) });
    return client;
  }

  #noteDown(error: unknown): MicroserviceFailure {
    const failure =
      error instanceof MicroserviceFailure ? error : new MicroserviceFailure('unreachable', reasonOf(error));
    if (!this.#down)
      this.logger.warn({ transport: this.name, why: failure.message }, 'a microservice transport is unreachable');
    this.#down = true;
    return failure;
  }

  #discard(connection: Connection): void {
    if (this.#connection !== connection) return;
    this.#connection = null;
    const closing = connection.opened
      .then(({ proxy }) => {
        // It connects by itself at each use, and nobody would end that.
        proxy.connect = () => Promise.reject(new Error('Connection closed'));
        return proxy.close() as unknown;
      })
      .then(nothing, nothing)
      .finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}

/** The first answer; the others are not waited for. */
function firstOf(answers: Observable<unknown>, over: AbortSignal): Promise<unknown> {
  return firstValueFrom(answers.pipe(takeUntil(fromEvent(over, 'abort'))));
}

function nothing(): void {}

import { MicroserviceFailure } from '../../callback/microservice-failure.js';
import type { MicroserviceCaller } from '../../check/microservice-asker.js';
import type { TransportSettings } from '../../config/microservices.js';
import type { ExternalMessage, ExternalSender } from '../../deliver/external-sender.js';
import type { Logger } from '../../runtime/logger.js';
import { checkPackages } from './client-packages.js';
import { NamedTransport } from './named-transport.js';

/** The named transports of one broker. Nothing is connected before it is used. */
export class Microservices implements MicroserviceCaller, ExternalSender {
  readonly #transports: Map<string, NamedTransport>;

  /** @throws SettingsError when a package that one of them needs is not installed */
  constructor(
    private readonly settings: Record<string, TransportSettings>,
    logger: Logger,
  ) {
    checkPackages(settings);
    this.#transports = new Map(
      Object.entries(settings).map(([name, transport]) => [name, new NamedTransport(name, transport, logger)]),
    );
  }

  /** The names that may be forwarded to. */
  get names(): string[] {
    return [...this.#transports.keys()];
  }

  /** The names over which a producer can be asked: all but Kafka's, which has no answers. */
  get askableNames(): string[] {
    return this.names.filter((name) => this.settings[name]?.transport !== 'kafka');
  }

  async emit(transport: string, pattern: string, message: ExternalMessage, timeoutMs: number): Promise<void> {
    await this.#get(transport).emit(pattern, message, timeoutMs);
  }

  async ask(
    transport: string,
    pattern: string,
    question: unknown,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<unknown> {
    return this.#get(transport).ask(pattern, question, timeoutMs, signal);
  }

  /** Ends every connection. What is under way fails. */
  async close(): Promise<void> {
    await Promise.all([...this.#transports.values()].map((transport) => transport.close()));
  }

  #get(name: string): NamedTransport {
    const transport = this.#transports.get(name);
    if (!transport) throw new MicroserviceFailure('unreachable', `this broker has no transport ${name}`);
    return transport;
  }
}

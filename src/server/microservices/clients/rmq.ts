import { ClientRMQ, RmqRecord, type ReadPacket, type RmqOptions } from '@nestjs/microservices';
import { headersOf, NobodyListens, type TransportClient } from '../transport-client.js';

/** Bound of one try to connect. */
const connectMsMax = 5_000;

interface Channel {
  on(event: 'return', listener: (message: { properties: { headers?: Record<string, unknown> } }) => void): void;
}

/** Confirms when RabbitMQ has: a persistent message in a durable queue is then on its disk. */
class ConfirmedRmqClient extends ClientRMQ {
  /** Tries that RabbitMQ has sent back because no queue is there for them; it says so before it confirms. */
  readonly #returned = new Set<string>();
  #refuseSetup: (error: unknown) => void = () => {};

  /** Also rejects when the queue cannot be set up: otherwise that would never end. */
  override connect(): Promise<unknown> {
    const refused = new Promise<never>((_, reject) => (this.#refuseSetup = reject));
    return Promise.race([super.connect(), refused]);
  }

  override createChannel(): Promise<void> {
    const created = super.createChannel();
    // Told by `connect`, or met as a confirmation that does not come.
    (this.channel as NodeJS.EventEmitter).on('error', () => undefined);
    return created;
  }

  override async setupChannel(channel: Channel, resolve: () => void): Promise<void> {
    channel.on('return', ({ properties }) => this.#returned.add(tryOf(properties.headers)));
    try {
      await super.setupChannel(channel, resolve);
    } catch (error) {
      this.#refuseSetup(error);
      throw error;
    }
  }

  protected override async dispatchEvent(packet: ReadPacket<RmqRecord>): Promise<void> {
    const name = tryOf(packet.data.options?.headers);
    await super.dispatchEvent(packet);
    if (this.#returned.delete(name)) throw new NobodyListens();
  }
}

function tryOf(headers: Record<string, unknown> | undefined): string {
  const {
    'halfbox-topic': topic,
    'halfbox-group': group,
    'halfbox-message-id': id,
    'halfbox-attempt': attempt,
  } = headers ?? {};
  return [topic, group, id, attempt].join('/');
}

export function openRmq(options: Record<string, unknown>): TransportClient {
  return {
    proxy: new ConfirmedRmqClient(boundedOptions(options)),
    event: (message) =>
      new RmqRecord(message.data, {
        messageId: message.id,
        headers: headersOf(message),
        persistent: options.persistent !== false,
        mandatory: true,
      }),
    // A question that nobody took in time is of no use to whoever comes later.
    question: (question, timeoutMs) => new RmqRecord(question, { expiration: timeoutMs, persistent: false }),
  };
}

/** Options in which each try to connect has an end, the protocol's greeting included; without one a server that hangs has none. */
function boundedOptions(options: Record<string, unknown>): RmqOptions['options'] & object {
  const { socketOptions } = options as RmqOptions['options'] & object;
  const connectionOptions = { timeout: connectMsMax, ...(socketOptions?.connectionOptions as object | undefined) };
  return { ...options, socketOptions: { ...socketOptions, connectionOptions } };
}

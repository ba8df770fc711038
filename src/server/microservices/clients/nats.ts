import { ClientNats, NatsRecordBuilder, type NatsOptions, type ReadPacket } from '@nestjs/microservices';
import { clientPackage } from '../client-packages.js';
import { headersOf, NobodyListens, type TransportClient } from '../transport-client.js';

interface NatsHeaders {
  set(name: string, value: string): void;
}

interface NatsMessage {
  subject: string;
  headers?: { code?: number };
}

interface NatsConnection {
  publish(subject: string, payload: string, options: { reply: string; headers?: NatsHeaders }): void;
  subscribe(subject: string, options: { callback: (error: unknown, message: NatsMessage) => void }): unknown;
  flush(): Promise<void>;
}

interface NatsPackage {
  createInbox(prefix?: string): string;
  headers(): NatsHeaders;
}

/** The server's word that nobody subscribes to a subject. */
const noResponders = 503;

/**
 * Confirms when the server has taken the message and somebody subscribes to its subject. NATS says the second only of
 * messages that want a reply, so each one names a place for it; what else arrives there is not looked at.
 */
class FlushingNatsClient extends ClientNats {
  #inbox: { of: NatsConnection; subject: string } | undefined;
  #count = 0;
  /** Places for replies of what was sent and not yet flushed, and whether nobody listened. */
  readonly #unheard = new Map<string, boolean>();

  protected override async dispatchEvent(packet: ReadPacket): Promise<void> {
    const connection = this.natsClient as NatsConnection | null;
    if (connection === null) throw new Error('Connection closed');
    const subject = this.normalizePattern(packet.pattern as string);
    const { data, headers } = (await this.serializer.serialize(packet)) as { data: string; headers?: NatsHeaders };
    const reply = `${this.#inboxOf(connection)}.${(this.#count += 1)}`;
    this.#unheard.set(reply, false);
    try {
      connection.publish(subject, data, { reply, headers: this.mergeHeaders(headers) as NatsHeaders });
      // The server answers in order: once this is over, it has said whether nobody listens.
      await connection.flush();
      if (this.#unheard.get(reply) === true) throw new NobodyListens();
    } finally {
      this.#unheard.delete(reply);
    }
  }

  #inboxOf(connection: NatsConnection): string {
    if (this.#inbox?.of === connection) return this.#inbox.subject;
    const { inboxPrefix } = this.options as { inboxPrefix?: string };
    const subject = clientPackage<NatsPackage>('@nats-io/transport-node').createInbox(inboxPrefix);
    connection.subscribe(`${subject}.*`, {
      callback: (_, message) => {
        if (message.headers?.code === noResponders && this.#unheard.has(message.subject)) {
          this.#unheard.set(message.subject, true);
        }
      },
    });
    this.#inbox = { of: connection, subject };
    return subject;
  }
}

export function openNats(options: Record<string, unknown>): TransportClient {
  return {
    proxy: new FlushingNatsClient(options as NatsOptions['options'] & object),
    event: (message) => {
      const headers = clientPackage<NatsPackage>('@nats-io/transport-node').headers();
      for (const [name, value] of Object.entries(headersOf(message))) headers.set(name, value);
      // A stream that keeps the subject drops a repeat of this within its window.
      headers.set('Nats-Msg-Id', `${message.topic}/${message.group}/${message.id}`);
      return new NatsRecordBuilder(message.data).setHeaders(headers).build();
    },
    question: (question) => question,
  };
}

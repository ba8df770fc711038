import type { ClientProxy } from '@nestjs/microservices';
import type { ExternalMessage } from '../../deliver/external-sender.js';

/** A client of one transport whose `emit` completes only when the transport has confirmed. */
export interface TransportClient {
  proxy: Pick<ClientProxy, 'connect' | 'close' | 'send' | 'emit'>;
  /** What `emit` takes for a message. */
  event(message: ExternalMessage): unknown;
  /** What `send` takes for a question that nobody waits for after `timeoutMs`. */
  question(question: unknown, timeoutMs: number): unknown;
}

/** The transport works, but nobody would have received what was sent. */
export class NobodyListens extends Error {
  constructor() {
    super('nobody listens for the pattern');
    this.name = 'NobodyListens';
  }
}

/** Headers of a forwarded message, those of a push. Their values together name one try. */
export function headersOf({ topic, group, id, attempt }: ExternalMessage): Record<string, string> {
  return {
    'halfbox-topic': topic,
    'halfbox-group': group,
    'halfbox-message-id': id,
    'halfbox-attempt': String(attempt),
  };
}

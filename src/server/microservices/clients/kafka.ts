import { ClientKafka, type KafkaOptions } from '@nestjs/microservices';
import { headersOf, type TransportClient } from '../transport-client.js';

/** Confirms when all replicas in sync have the message (`acks: -1`, unless the options' `send` says otherwise). */
export function openKafka(options: Record<string, unknown>): TransportClient {
  return {
    // It only sends: Kafka has no requests, and what imitates them needs to know every pattern beforehand.
    proxy: new ClientKafka({ producerOnlyMode: true, ...options } as KafkaOptions['options'] & object),
    event: (message) => ({ key: message.partitionKey, value: message.data, headers: headersOf(message) }),
    question: (question) => question,
  };
}

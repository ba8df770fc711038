import { textWithBody } from '../message/body-json.js';
import type { CheckQuestion } from './producer-asker.js';

/** A half message as a question shows it: with `body` or, where it was not JSON, `bodyBase64`. */
export interface AskedMessage {
  id: string;
  topic: string;
  key?: string;
  tag?: string;
  headers?: Record<string, string>;
  body?: unknown;
  bodyBase64?: string;
}

/** A question as it is asked in every way. Both times are ISO 8601 and of the store's clock: their difference is the transaction's age. */
export interface AskedQuestion {
  transactionId: string;
  producer: string;
  attempt: number;
  preparedAt: string;
  askedAt: string;
  instance?: string;
  messages: AskedMessage[];
}

/** The JSON text of an {@link AskedQuestion}, with every byte of JSON bodies as it was sent. */
export function questionText({ check, messages, askedAt }: CheckQuestion): string {
  const head = JSON.stringify({
    transactionId: check.transactionId,
    producer: check.producer,
    attempt: check.attempt,
    preparedAt: new Date(check.preparedAt).toISOString(),
    askedAt: new Date(askedAt).toISOString(),
    instance: check.instance,
  });
  const texts = messages.map(({ id, topic, key, tag, headers, body }) =>
    textWithBody({ id, topic, key, tag, headers }, body),
  );
  return `${head.slice(0, -1)},"messages":[${texts.join(',')}]}`;
}

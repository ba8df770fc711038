import { textWithBody } from './body-json.js';
import type { MessageBody, MessageContent, StoredMessage } from './message.js';

/** Where and how often a message is being delivered, as consumers see it. */
export interface DeliveryFields {
  shard: number;
  offset: number;
  /** Counted from 1. */
  attempt: number;
}

/** The fields of the HTTP contract that carry a body. Bytes go as base64; JSON goes as it is. */
export function bodyFields(body: MessageBody): { body: unknown } | { bodyBase64: string } {
  if (body.json !== undefined) return { body: JSON.parse(body.json) as unknown };
  return { bodyBase64: body.bytes.toString('base64') };
}

let lastTimeMs = 0;
let lastTimeText = new Date(0).toISOString();

/** A time of the contract: ISO 8601, UTC, with milliseconds. */
export function isoTime(epochMs: number): string {
  // Answers of one batch share their times, and writing one out is a good part of a small answer's cost.
  if (epochMs !== lastTimeMs) {
    lastTimeText = new Date(epochMs).toISOString();
    lastTimeMs = epochMs;
  }
  return lastTimeText;
}

function sharedFields(message: MessageContent & { id: string }): Record<string, unknown> {
  const fields: Record<string, unknown> = { id: message.id, topic: message.topic };
  if (message.key !== undefined) fields.key = message.key;
  if (message.tag !== undefined) fields.tag = message.tag;
  if (message.orderingKey !== undefined) fields.orderingKey = message.orderingKey;
  if (message.headers !== undefined) fields.headers = message.headers;
  if (message.contentType !== undefined) fields.contentType = message.contentType;
  return fields;
}

function storedFields(message: StoredMessage, delivery: DeliveryFields | undefined): Record<string, unknown> {
  const fields = sharedFields(message);
  if (message.transactionId !== undefined) fields.transactionId = message.transactionId;
  if (delivery) {
    fields.shard = delivery.shard;
    fields.offset = delivery.offset;
    fields.attempt = delivery.attempt;
  } else {
    if (message.delayMs !== undefined) fields.delayMs = message.delayMs;
    if (message.deliverAt !== undefined) fields.deliverAt = isoTime(message.deliverAt);
  }
  // The broker takes a message in once: that moment is both when it was born and when it was stored.
  fields.bornAt = fields.storedAt = isoTime(message.storedAt);
  return fields;
}

/** A message as consumers get it (a job's data, an HTTP answer): plain JSON values, body included. */
export function messageJson(message: StoredMessage, delivery?: DeliveryFields): Record<string, unknown> {
  return { ...storedFields(message, delivery), ...bodyFields(message.body) };
}

/** The same as JSON text. A JSON body is put in as it is stored, without being parsed again. */
export function messageText(message: StoredMessage, delivery?: DeliveryFields): string {
  return textWithBody(storedFields(message, delivery), message.body);
}

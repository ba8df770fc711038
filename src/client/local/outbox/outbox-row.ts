import { bounds } from '../../../message/bounds.js';
import { newId } from '../../../message/message-id.js';
import { idPattern, tagPattern, topicPattern } from '../../../message/names.js';
import { orderingKeyHash } from '../../../message/ordering-key.js';
import type { Message } from '../../contract.js';
import { NotSerializable } from '../../errors.js';
import { InvalidMessage } from './outbox-errors.js';

/** A message as the outbox keeps it. */
export interface OutboxRow {
  id: string;
  topic: string;
  /** Equal for messages that must keep their order; undefined for those that need none. */
  orderHash: string | undefined;
  /** The message as the broker gets it each time it is sent, so that the same id always carries the same content. */
  message: Buffer;
}

/**
 * Checks a message and writes it as a row.
 * @param bodyBytesMax of the body as JSON, or as bytes
 * @throws InvalidMessage for a field that no broker takes; NotSerializable for a body that is no JSON
 */
export function outboxRow(given: Message, bodyBytesMax: number): OutboxRow {
  const { id = newId(), topic, key, tag, orderingKey, headers, delayMs, deliverAt, contentType } = given;
  assertMatch('topic', topic, topicPattern);
  assertMatch('id', id, idPattern);
  if (tag !== undefined) assertMatch('tag', tag, tagPattern);
  for (const [field, value] of Object.entries({ key, orderingKey })) {
    if (value !== undefined) assertLength(field, value);
  }
  assertHeaders(headers);
  if (delayMs !== undefined && deliverAt !== undefined) throw new InvalidMessage('deliverAt', 'excludes delayMs');
  if (delayMs !== undefined && !(Number.isInteger(delayMs) && delayMs >= 0 && delayMs <= bounds.delayMsMax)) {
    throw new InvalidMessage('delayMs', `is not a whole number from 0 to ${bounds.delayMsMax}`);
  }
  const head = JSON.stringify({ id, topic, key, tag, orderingKey, headers, delayMs, deliverAt, contentType });
  const message = Buffer.from(`${head.slice(0, -1)},${bodyMember(given, bodyBytesMax)}}`);
  const orderHash = orderingKey === undefined ? undefined : orderingKeyHash(`${topic}\n${orderingKey}`);
  return { id, topic, orderHash, message };
}

function assertMatch(field: string, value: unknown, pattern: RegExp): void {
  if (typeof value !== 'string' || !pattern.test(value)) throw new InvalidMessage(field, `does not match ${pattern}`);
}

const keyPattern = new RegExp(`^\\P{Cs}{1,${bounds.keyLengthMax}}$`, 'u');

function assertLength(field: string, value: unknown): void {
  if (typeof value === 'string' && keyPattern.test(value)) return;
  throw new InvalidMessage(field, `is not a text of 1 to ${bounds.keyLengthMax} characters`);
}

function assertHeaders(headers: Message['headers']): void {
  if (headers === undefined) return;
  const entries = Object.entries(headers as Record<string, unknown>);
  if (entries.length > bounds.headersMax) throw new InvalidMessage('headers', `are more than ${bounds.headersMax}`);
  let bytes = 0;
  for (const [name, value] of entries) {
    if (typeof value !== 'string') throw new InvalidMessage('headers', `have ${name}, which is not a text`);
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
  }
  if (bytes > bounds.headersBytesMax) {
    throw new InvalidMessage('headers', `have more than ${bounds.headersBytesMax} bytes`);
  }
}

/** The body as it stands in the message's JSON. */
function bodyMember({ topic, body, bodyBase64 }: Message, bytesMax: number): string {
  if ((body === undefined) === (bodyBase64 === undefined)) {
    throw new InvalidMessage('body', 'or bodyBase64 is needed, and one of them only');
  }
  const json = bodyBase64 === undefined ? bodyJson(topic, body) : JSON.stringify(base64(bodyBase64));
  const bytes = bodyBase64 === undefined ? Buffer.byteLength(json) : Buffer.byteLength(bodyBase64, 'base64');
  if (bytes > bytesMax) throw new InvalidMessage('body', `has ${bytes} bytes, more than ${bytesMax}`);
  return `"${bodyBase64 === undefined ? 'body' : 'bodyBase64'}":${json}`;
}

function bodyJson(topic: string, body: unknown): string {
  let json: string | undefined;
  try {
    json = JSON.stringify(body) as string | undefined;
  } catch (error) {
    throw new NotSerializable(topic, error);
  }
  if (json === undefined) throw new NotSerializable(topic, new TypeError(`a ${typeof body} has no JSON`));
  return json;
}

function base64(text: unknown): string {
  if (typeof text === 'string' && Buffer.from(text, 'base64').toString('base64') === text) return text;
  throw new InvalidMessage('bodyBase64', 'is not base64 with padding');
}

import { z } from 'zod';
import { bounds } from '../../message/bounds.js';
import type { MessageBody, NewMessage } from '../../message/message.js';
import { id, integer, isoTime, key, loneSurrogate, tag, text, time, topicName } from './fields.js';

const contentType = z
  .string()
  .regex(/^[\x20-\x7e]{1,255}$/, `expected 1 to ${bounds.contentTypeLengthMax} printable ASCII characters`);

const wellFormed = z.string().refine((value) => !loneSurrogate.test(value), 'has a lone surrogate');

const namedTexts = z.record(text(bounds.headerNameLengthMax), wellFormed).superRefine((value, context) => {
  const entries = Object.entries(value);
  const bytes = entries.reduce((sum, [name, held]) => sum + Buffer.byteLength(name) + Buffer.byteLength(held), 0);
  if (bytes > bounds.headersBytesMax) context.addIssue(`more than ${bounds.headersBytesMax} bytes in all`);
});

const { $schema: _dialect, ...described } = z.toJSONSchema(namedTexts);

// Counted first: looking at each of a million takes seconds.
const headers = z
  .custom<z.input<typeof namedTexts>>()
  .superRefine((value, context) => {
    if (typeof value !== 'object' || value === null || Object.keys(value).length <= bounds.headersMax) return;
    context.addIssue({ code: 'custom', message: `more than ${bounds.headersMax} headers`, continue: false });
  })
  .pipe(namedTexts)
  .meta({ ...described, maxProperties: bounds.headersMax });

const base64 = z
  .string()
  .refine((value) => Buffer.from(value, 'base64').toString('base64') === value, 'expected base64 with padding')
  .meta({ contentEncoding: 'base64' });

/** A message as a sender gives it. */
export const messageInput = z
  .strictObject({
    id: id.optional(),
    topic: topicName,
    key: key.optional().meta({ description: 'Business key, for look-ups.' }),
    tag: tag.optional().meta({ description: 'What subscriptions filter by.' }),
    orderingKey: key
      .optional()
      .meta({ description: 'Messages with the same one are handled one at a time, in order.' }),
    headers: headers.optional(),
    delayMs: integer(0, bounds.delayMsMax)
      .optional()
      .meta({ description: 'Excludes deliverAt. Starts at the commit.' }),
    deliverAt: time.optional().meta({ description: 'Excludes delayMs.' }),
    contentType: contentType.optional(),
    body: z.unknown().optional().meta({ description: 'Any JSON. Excludes bodyBase64.' }),
    bodyBase64: base64.optional().meta({ description: 'Bytes. Excludes body.' }),
  })
  .superRefine((message, context) => {
    const given = Number(message.body !== undefined) + Number(message.bodyBase64 !== undefined);
    if (given !== 1) {
      context.addIssue({ code: 'custom', path: ['body'], message: 'give exactly one of body and bodyBase64' });
    }
    if (message.delayMs !== undefined && message.deliverAt !== undefined) {
      context.addIssue({ code: 'custom', path: ['deliverAt'], message: 'give delayMs or deliverAt, not both' });
    }
  })
  .meta({ id: 'Message' });

export type MessageInput = z.output<typeof messageInput>;

/** The message as the stages take it. */
export function newMessage(input: MessageInput): NewMessage {
  // Written out: copying with a rest pattern costs as much as the whole check of a message.
  return {
    id: input.id,
    topic: input.topic,
    key: input.key,
    tag: input.tag,
    orderingKey: input.orderingKey,
    headers: input.headers,
    delayMs: input.delayMs,
    deliverAt: input.deliverAt,
    contentType: input.contentType,
    body: bodyOf(input),
  };
}

function bodyOf({ body, bodyBase64 }: MessageInput): MessageBody {
  return bodyBase64 !== undefined ? { bytes: Buffer.from(bodyBase64, 'base64') } : { json: JSON.stringify(body) };
}

const stored = {
  id,
  topic: topicName,
  key: z.string().optional(),
  tag: z.string().optional(),
  orderingKey: z.string().optional(),
  headers: z.record(z.string(), z.string()).optional(),
  contentType: z.string().optional(),
  transactionId: id.optional(),
  bornAt: isoTime,
  storedAt: isoTime,
  body: z.unknown().optional(),
  bodyBase64: z.string().optional(),
};

/** A message as it was stored. */
export const storedMessage = z
  .strictObject({ ...stored, delayMs: z.int().optional(), deliverAt: isoTime.optional() })
  .meta({ id: 'StoredMessage' });

/** A message as a consumer gets it. */
export const deliveredMessage = z
  .strictObject({ ...stored, shard: z.int(), offset: z.int(), attempt: z.int() })
  .meta({ id: 'DeliveredMessage' });

/** Where a message went: its place, the time it waits for, or (half, rolled back) neither. */
export const messagePlace = z
  .strictObject({
    id,
    topic: topicName,
    shard: z.int().optional(),
    offset: z.int().optional(),
    deliverAt: isoTime.optional(),
  })
  .meta({ id: 'MessagePlace' });

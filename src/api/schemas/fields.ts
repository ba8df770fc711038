import { z } from 'zod';
import { bounds } from '../../message/bounds.js';
import { groupPattern, idPattern, tagPattern, topicPattern } from '../../message/names.js';

/** A lone surrogate: text that cannot be written as UTF-8, and so not be given back. */
export const loneSurrogate = /\p{Cs}/u;

/** Text of 1 to `max` characters (code points). */
export function text(max: number) {
  return z
    .string()
    .regex(new RegExp(`^\\P{Cs}{1,${max}}$`, 'u'), `expected 1 to ${max} characters`)
    .meta({ minLength: 1, maxLength: max });
}

export function integer(min: number, max: number) {
  const reason = `expected a whole number from ${min} to ${max}`;
  return z.int(reason).min(min, reason).max(max, reason);
}

export const id = z
  .string()
  .regex(idPattern, 'expected 1 to 64 of A-Z a-z 0-9 _ . : - (not . or ..)')
  .meta({ id: 'Id', description: 'Ids are compared byte by byte. Made by the broker (UUIDv7) where none is given.' });

/** Names a process of a producer. */
export const instanceId = z
  .string()
  .regex(idPattern, 'expected 1 to 64 of A-Z a-z 0-9 _ . : -')
  .meta({ id: 'InstanceId', description: 'Names one process of a producer, for as long as it runs: a UUID.' });

export const topicName = z
  .string()
  .regex(topicPattern, 'expected 1 to 127 of A-Z a-z 0-9 _ . - (not . or ..)')
  .meta({ id: 'TopicName' });

export const groupName = z
  .string()
  .regex(groupPattern, 'expected 1 to 64 of A-Z a-z 0-9 _ -')
  .meta({ id: 'GroupName' });

export const producerName = z
  .string()
  .regex(groupPattern, 'expected 1 to 64 of A-Z a-z 0-9 _ -')
  .meta({ id: 'ProducerName' });

export const transportName = z
  .string()
  .regex(groupPattern, 'expected 1 to 64 of A-Z a-z 0-9 _ -')
  .meta({ id: 'TransportName', description: 'One of the transports that the operator has named.' });

/** What a microservice's handler is registered under. */
export const handlerPattern = z
  .string()
  .regex(
    new RegExp(`^[^\\s\\p{C}]{1,${bounds.handlerPatternLengthMax}}$`, 'u'),
    `expected 1 to ${bounds.handlerPatternLengthMax} characters without white space`,
  )
  .meta({ id: 'HandlerPattern', minLength: 1, maxLength: bounds.handlerPatternLengthMax });

export const key = text(bounds.keyLengthMax);

export const tag = z
  .string()
  .regex(tagPattern, 'expected 1 to 64 characters without white space, | and *')
  .refine((value) => !loneSurrogate.test(value), 'has a lone surrogate');

/** Times that are given: any precision and offset. Epoch ms inside. */
export const time = z.iso
  .datetime({ offset: true, error: 'expected an ISO 8601 time such as 2026-01-31T12:00:00.000Z' })
  .transform((value) => Date.parse(value));

/** Times that are answered: UTC with milliseconds. */
export const isoTime = z.iso
  .datetime({ precision: 3 })
  .meta({ id: 'Time', description: 'ISO 8601, UTC, milliseconds' });

const flagReason = 'expected true or false';
/** A query parameter that is `true` or `false`. */
export const flag = z
  .enum(['true', 'false'], flagReason)
  .transform((value) => value === 'true')
  .default(false)
  .meta({ type: 'boolean', enum: undefined });

const limit = z
  .string()
  .optional()
  .transform((value) => {
    if (value === undefined) return bounds.listLimitDefault;
    return /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
  })
  .pipe(integer(1, bounds.listLimitMax))
  .meta({
    type: 'integer',
    minimum: 1,
    maximum: bounds.listLimitMax,
    description: 'Items of the page; 50 where it is left out.',
  });

/** Query parameters of every list. */
export const paging = {
  // ASCII, as all names and ids are: a server of a database fails on comparing other text with them.
  after: z
    .string()
    .regex(/^[\x21-\x7e]{1,512}$/, 'expected the `next` of a page')
    .optional()
    .meta({ description: 'The `next` of the page before.' }),
  limit,
};

/** A page of a list. */
export function page<Item extends z.ZodType>(item: Item) {
  return z.strictObject({
    items: z.array(item),
    next: z.string().nullable().meta({ description: 'Pass as `after`; null on the last page.' }),
  });
}

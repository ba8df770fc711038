import { z } from 'zod';
import { bounds } from '../../message/bounds.js';
import { groupName, id, isoTime, topicName } from './fields.js';

/** Which dead letters a call means. */
export const deadLetterSelection = z
  .strictObject({
    ids: z.array(id).min(1).max(bounds.deadLetterIdsMax).optional(),
    topic: topicName.optional(),
    group: groupName.optional(),
  })
  .superRefine(({ ids, topic, group }, context) => {
    const wrong = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if (ids !== undefined && (topic !== undefined || group !== undefined)) wrong('ids', 'give ids, or topic and group');
    else if (ids === undefined && topic === undefined && group === undefined)
      wrong('ids', 'give ids, or topic and group');
    else if (ids === undefined && topic === undefined) wrong('topic', 'is missing');
    else if (ids === undefined && group === undefined) wrong('group', 'is missing');
  })
  .meta({ id: 'DeadLetterSelection', description: '`ids`, or `topic` and `group`.' });

export const deadLetter = z
  .strictObject({
    id,
    topic: topicName,
    group: groupName,
    messageId: id,
    shard: z.int(),
    offset: z.int(),
    key: z.string().optional(),
    tag: z.string().optional(),
    attempts: z.int(),
    error: z.string(),
    firstFailedAt: isoTime,
    diedAt: isoTime,
  })
  .meta({ id: 'DeadLetter' });

export const countAnswer = z.strictObject({ count: z.int().min(0) });

export const nodesAnswer = z.strictObject({
  storeId: z.string().meta({ description: 'Clients refuse endpoints of another store.' }),
  items: z.array(
    z
      .strictObject({ id, url: z.string(), version: z.string(), startedAt: isoTime, subscriptions: z.int() })
      .meta({ id: 'Node' }),
  ),
  next: z.null(),
});

const durabilityName = z.enum(['flushed', 'replicated', 'relaxed']);

export const healthParts = z.strictObject({
  store: z.strictObject({ ok: z.boolean(), description: z.string(), error: z.string().optional() }),
  engine: z.strictObject({ ok: z.boolean(), name: z.string(), error: z.string().optional() }),
  durability: z.strictObject({
    ok: z.boolean(),
    asked: durabilityName,
    actual: durabilityName.optional(),
    weakenedBy: z.array(z.string()),
  }),
});

export const readyAnswer = healthParts.extend({ status: z.literal('ready') }).meta({ id: 'Ready' });
export const liveAnswer = z.strictObject({ status: z.literal('live') });

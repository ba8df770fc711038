import { z } from 'zod';
import { bounds } from '../../message/bounds.js';
import { handlerPattern, integer, isoTime, producerName, topicName, transportName } from './fields.js';

export const topicInput = z
  .strictObject({
    shards: integer(1, bounds.shardsMax).optional().meta({ description: 'Default 4. Fixed at creation.' }),
    retentionMs: integer(bounds.retentionMsMin, bounds.retentionMsMax)
      .optional()
      .meta({ description: 'Default 72 h.' }),
    maxBodyBytes: integer(1, bounds.requestBytesMax).optional().meta({ description: 'Default 4 MiB.' }),
  })
  .meta({ id: 'TopicSettings' });

export const topic = z
  .strictObject({
    topic: topicName,
    shards: z.int(),
    retentionMs: z.int(),
    maxBodyBytes: z.int(),
    createdAt: isoTime,
  })
  .meta({ id: 'Topic' });

const checkBack = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('http'), url: z.string().min(1).max(2_048) }),
  z.strictObject({ type: z.literal('microservice'), transport: transportName, pattern: handlerPattern }),
]);
const checkMs = integer(bounds.checkMsMin, bounds.checkMsMax);

export const producerInput = z
  .strictObject({
    checkBack: checkBack
      .optional()
      .meta({ description: 'How the producer is asked. Absent: over the streams that its instances hold open.' }),
    firstCheckAfterMs: checkMs.optional(),
    checkIntervalMs: checkMs.optional(),
    checkMax: integer(1, bounds.checkMaxMax).optional().meta({ description: 'Answered checks before parking.' }),
  })
  .meta({ id: 'ProducerSettings' });

export const secret = z.string().meta({ description: 'Standard Webhooks signing secret: `whsec_` and base64.' });

export const producer = z
  .strictObject({
    producer: producerName,
    checkBack: checkBack.optional(),
    firstCheckAfterMs: z.int().optional(),
    checkIntervalMs: z.int().optional(),
    checkMax: z.int().optional(),
    reachable: z.boolean().meta({ description: 'False: there is no way to ask it, or the last asks met nobody.' }),
    createdAt: isoTime,
  })
  .meta({ id: 'Producer' });

export const producerWithSecret = producer.extend({ secret: secret.optional() }).meta({ id: 'ProducerWithSecret' });

import { z } from 'zod';
import { bounds } from '../../message/bounds.js';
import { tagPattern } from '../../message/names.js';
import { defaultRetryLevelsMs, type StartPosition, type SubscriptionConfig } from '../../message/subscription.js';
import { groupName, handlerPattern, integer, isoTime, time, topicName, transportName } from './fields.js';
import { retryInput, retryPolicy } from './retry.js';
import { secret } from './catalog.js';

export const subscriptionParams = z.strictObject({ topic: topicName, group: groupName });

const filter = z
  .string()
  .transform((value) => value.split('||').map((part) => part.trim()))
  .refine(
    (parts) => (parts.length === 1 && parts[0] === '*') || parts.every((part) => tagPattern.test(part)),
    'expected * or tags joined by ||',
  )
  .refine((parts) => parts.length <= bounds.filterTagsMax, `more than ${bounds.filterTagsMax} tags`)
  .transform((parts) => parts.join('||'));

const startReason = 'expected latest, earliest or an ISO 8601 time';

export const startPosition = z
  .union([z.literal('latest'), z.literal('earliest'), time.transform((at) => ({ at }))], startReason)
  .meta({ id: 'StartPosition', description: '`latest`, `earliest` or a time.' });

const mode = z.enum(['queue', 'push', 'pull', 'forward']);

const push = z.strictObject({
  url: z.string().min(1).max(2_048),
  timeoutMs: integer(bounds.pushTimeoutMsMin, bounds.pushTimeoutMsMax).default(bounds.pushTimeoutMsDefault),
  concurrency: integer(1, bounds.pushConcurrencyMax).default(bounds.pushConcurrencyDefault),
});

const forward = z.union([
  z.strictObject({ topic: topicName }).meta({ description: 'To another topic of this broker.' }),
  z
    .strictObject({ transport: transportName, pattern: handlerPattern })
    .meta({ description: 'To another system, as events of that pattern.' }),
]);

export const subscriptionInput = z
  .strictObject({
    mode,
    filter: filter.default('*').meta({ description: '`*`, or tags joined by `||`.', default: '*' }),
    startFrom: startPosition
      .default('latest')
      .meta({ description: 'Where a new subscription starts.', default: 'latest' }),
    maxAttempts: integer(1, bounds.maxAttemptsMax).default(bounds.maxAttemptsDefault),
    retry: retryInput.optional().meta({ description: 'Default: 16 levels from 10 s to 2 h.' }),
    push: push.optional(),
    forward: forward.optional(),
    maxInFlight: integer(1, bounds.maxInFlightMax)
      .default(bounds.maxInFlightDefault)
      .meta({ description: 'Deliveries in flight over all nodes; not exceeded.' }),
    ratePerSecond: z
      .number()
      .min(0.01)
      .max(bounds.ratePerSecondMax)
      .optional()
      .meta({ description: 'Deliveries per second at most.' }),
    messagesPerJob: integer(1, bounds.messagesPerJobMax)
      .optional()
      .meta({
        description:
          'Mode `queue`: messages that one Bull job carries, at most. Default 1: a job is a message. Above 1 its data is ' +
          '`{ messages: […] }`, and what the processor returns may name those that failed.',
        default: 1,
      }),
    onDeadLetter: z.enum(['continue', 'block']).default('continue').meta({
      description: '`block` holds the ordering key of a dead letter until it is redriven and acked, or discarded.',
    }),
    expiresAfterIdleMs: integer(bounds.expiresAfterIdleMsMin, bounds.expiresAfterIdleMsMax)
      .optional()
      .meta({ description: 'For broadcasting: deleted when not used for this long.' }),
  })
  .superRefine((subscription, context) => {
    for (const name of ['push', 'forward'] as const) {
      if ((subscription.mode === name) === (subscription[name] !== undefined)) continue;
      const message = subscription.mode === name ? 'is missing' : `is for mode ${name} only`;
      context.addIssue({ code: 'custom', path: [name], message });
    }
    if (subscription.mode !== 'queue' && subscription.messagesPerJob !== undefined) {
      context.addIssue({ code: 'custom', path: ['messagesPerJob'], message: 'is for mode queue only' });
    }
  })
  .meta({ id: 'SubscriptionSettings' });

export type SubscriptionInput = z.output<typeof subscriptionInput>;

/** The input as the stages keep it, with where a new subscription starts. */
export function subscriptionConfig(input: SubscriptionInput): { config: SubscriptionConfig; startFrom: StartPosition } {
  const { startFrom, retry, ...rest } = input;
  const config: SubscriptionConfig = { ...rest, retry: retry ?? { levelsMs: defaultRetryLevelsMs } };
  if (config.mode === 'queue') config.messagesPerJob ??= 1;
  return { config, startFrom };
}

export const seekInput = z.strictObject({ to: startPosition }).meta({ id: 'Seek' });

export const listedSubscription = z
  .strictObject({
    topic: topicName,
    group: groupName,
    mode,
    filter: z.string(),
    maxAttempts: z.int(),
    retry: retryPolicy,
    push: push.optional(),
    forward: forward.optional(),
    maxInFlight: z.int(),
    ratePerSecond: z.number().optional(),
    messagesPerJob: z.int().optional(),
    onDeadLetter: z.enum(['continue', 'block']),
    expiresAfterIdleMs: z.int().optional(),
    paused: z.boolean(),
    pausedReason: z.string().optional().meta({ description: 'Why the broker paused it by itself.' }),
    owner: z.string().nullable().meta({ description: 'The node that delivers it now; null: nobody.' }),
    createdAt: isoTime,
    backlog: z.int().meta({ description: 'Messages that are not settled, retries included.' }),
    inFlight: z.int(),
    retrying: z.int(),
    dead: z.int(),
    oldestUnsettledAt: isoTime.optional(),
  })
  .meta({ id: 'Subscription' });

export const subscriptionWithSecret = listedSubscription
  .extend({ secret: secret.optional() })
  .meta({ id: 'SubscriptionWithSecret' });

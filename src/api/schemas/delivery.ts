import { z } from 'zod';
import { bounds } from '../../message/bounds.js';
import { integer, isoTime, text } from './fields.js';
import { deliveredMessage } from './message.js';
import { problem } from './problem.js';
import { subscriptionParams } from './subscription.js';

const visibilityMs = integer(bounds.visibilityMsMin, bounds.visibilityMsMax);

const receiving = {
  max: integer(1, bounds.receiveMax).default(1),
  visibilityMs: visibilityMs.default(bounds.visibilityMsDefault).meta({
    description: 'After this long an unsettled delivery counts as a failed attempt.',
  }),
  waitMs: integer(0, bounds.waitMsMax).default(0).meta({ description: 'How long to wait for the first message.' }),
};

export const receiveInput = z.strictObject(receiving).meta({ id: 'Receive' });

export const receiveSeveralInput = z
  .strictObject({
    subscriptions: z.array(subscriptionParams).min(1).max(bounds.receiveSubscriptionsMax),
    ...receiving,
  })
  .meta({ id: 'ReceiveSeveral' });

const receipt = z.string().min(1).max(256);
const receipts = z.array(receipt).min(1).max(bounds.receiptsMax);

export const ackInput = z.strictObject({ receipts }).meta({ id: 'Ack' });

export const ackSeveralInput = z
  .strictObject({
    deliveries: z
      .array(z.strictObject({ ...subscriptionParams.shape, receipt }))
      .min(1)
      .max(bounds.receiptsMax),
  })
  .meta({ id: 'AckSeveral' });

export const nackInput = z
  .strictObject({
    receipts,
    delayMs: integer(0, bounds.delayMsMax).optional().meta({ description: 'Instead of the wait of the retry policy.' }),
    error: text(bounds.reasonLengthMax).optional(),
    deadLetter: z.boolean().optional().meta({ description: 'Straight to the dead letters, without further tries.' }),
    release: z.boolean().optional().meta({
      description: 'Given back unhandled: no attempt is counted, and it is delivered again at once.',
    }),
  })
  .superRefine(({ delayMs, error, deadLetter, release }, context) => {
    const excludes = (path: string, other: string) =>
      context.addIssue({ code: 'custom', path: [path], message: `excludes ${other}` });
    if (deadLetter === true && delayMs !== undefined) excludes('deadLetter', 'delayMs');
    if (release !== true) return;
    if (deadLetter === true) excludes('release', 'deadLetter');
    if (delayMs !== undefined) excludes('release', 'delayMs');
    if (error !== undefined) excludes('release', 'error');
  })
  .meta({ id: 'Nack' });

export const extendInput = z
  .strictObject({ receipts, visibilityMs: visibilityMs.default(bounds.visibilityMsDefault) })
  .meta({ id: 'Extend' });

const delivery = { receipt, attempt: z.int().min(1), message: deliveredMessage };

export const receiveAnswer = z.strictObject({ deliveries: z.array(z.strictObject(delivery)) });

const subscriptionName = { topic: z.string(), group: z.string() };

export const receiveSeveralAnswer = z.strictObject({
  deliveries: z.array(z.strictObject({ ...subscriptionName, ...delivery })),
  notServed: z.array(z.strictObject(subscriptionName)).meta({
    description: 'Nothing can be said of these by this call: their own `receive` serves them, or says why it does not.',
  }),
});

export const settleAnswer = z.strictObject({
  results: z.array(z.union([z.strictObject({ receipt, ok: z.literal(true) }), z.strictObject({ receipt, problem })])),
});

/** How a message stands with one subscription. */
export const deliveryState = z
  .strictObject({
    group: z.string(),
    state: z.enum(['ready', 'in_flight', 'retry', 'acked', 'dead', 'filtered']),
    attempt: z.int().min(0),
    dueAt: isoTime.optional(),
    error: z.string().optional(),
  })
  .meta({ id: 'DeliveryState' });

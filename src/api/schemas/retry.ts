import { z } from 'zod';
import { bounds } from '../../message/bounds.js';
import type { RetryPolicy } from '../../message/subscription.js';
import { integer } from './fields.js';

const waitMs = integer(0, bounds.retryLevelMsMax);

const levels = z.strictObject({ levelsMs: z.array(waitMs).min(1).max(bounds.retryLevelsMax) });
const fixed = z.strictObject({ fixedMs: waitMs });
const exponential = z.strictObject({
  initialMs: waitMs,
  factor: z.number().min(1).max(100),
  maxMs: waitMs,
  jitter: z.number().min(0).max(1),
});

/** Waits between attempts, as they are kept. */
export const retryPolicy = z.union([levels, fixed, exponential]).meta({
  id: 'Retry',
  description: 'Levels, one fixed wait, or growing waits (`jitter`: a fraction of the wait, 0 to 1).',
});

const shapes = ['levelsMs', 'fixedMs', 'initialMs'] as const;

/** The same as it is given: one flat object, so that a refusal names the field that is wrong. */
export const retryInput = z
  .strictObject({
    levelsMs: levels.shape.levelsMs.optional(),
    fixedMs: waitMs.optional(),
    initialMs: waitMs.optional(),
    factor: exponential.shape.factor.optional(),
    maxMs: waitMs.optional(),
    jitter: exponential.shape.jitter.optional(),
  })
  .superRefine((retry, context) => {
    const given = shapes.filter((name) => retry[name] !== undefined);
    if (given.length !== 1) context.addIssue('give exactly one of levelsMs, fixedMs and initialMs');
    const growing = retry.initialMs !== undefined;
    for (const name of ['factor', 'maxMs'] as const) {
      if (growing && retry[name] === undefined)
        context.addIssue({ code: 'custom', path: [name], message: 'is missing' });
    }
    for (const name of ['factor', 'maxMs', 'jitter'] as const) {
      if (!growing && retry[name] !== undefined) {
        context.addIssue({ code: 'custom', path: [name], message: 'goes with initialMs only' });
      }
    }
  })
  .transform(({ levelsMs, fixedMs, initialMs, factor, maxMs, jitter }): RetryPolicy => {
    if (levelsMs !== undefined) return { levelsMs };
    if (fixedMs !== undefined) return { fixedMs };
    return { initialMs: initialMs!, factor: factor!, maxMs: maxMs!, jitter: jitter ?? 0 };
  });

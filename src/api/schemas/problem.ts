import { z } from 'zod';

/** Every refusal (RFC 9457). */
export const problem = z
  .strictObject({
    type: z.string().regex(/^urn:halfbox:problem:[a-z-]+$/),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    errors: z
      .array(z.strictObject({ path: z.string(), reason: z.string() }))
      .optional()
      .meta({ description: 'Each field that was refused, and why.' }),
  })
  .meta({ id: 'Problem' });

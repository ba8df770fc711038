import { z } from 'zod';
import { groupPattern } from '../message/names.js';

/** The transports of `@nestjs/microservices` that the broker can talk over. */
export const transportKinds = ['tcp', 'redis', 'nats', 'rmq', 'kafka'] as const;

export type TransportKind = (typeof transportKinds)[number];

/** Named transports of one broker at most. */
const transportsMax = 64;

const transport = z
  .strictObject({
    transport: z.enum(transportKinds, {
      error: ({ input }) => `expected ${transportKinds.join(', ')}, got ${quoted(input)}`,
    }),
    /** The options of that transport's client, as `@nestjs/microservices` has them. May hold secrets: never logged. */
    options: z.record(z.string(), z.unknown(), 'expected an object').default({}),
  })
  .refine(({ transport: kind, options }) => kind !== 'rmq' || isNamed(options.queue) || isNamed(options.exchange), {
    error: 'rmq needs options.queue or options.exchange: where messages go',
  });

/**
 * `{name: {transport, options}}`: what this broker may talk over to microservices. Producers and subscriptions name one,
 * so that no caller can make the broker connect to an address of its own choosing.
 */
export const microservices = z.record(z.string(), transport, { error: expected }).superRefine((transports, context) => {
  const names = Object.keys(transports);
  if (names.length > transportsMax) context.addIssue(`more than ${transportsMax} transports`);
  for (const name of names) {
    if (groupPattern.test(name)) continue;
    context.addIssue({ code: 'custom', path: [name], message: 'the name must be 1 to 64 of A-Z a-z 0-9 _ -' });
  }
});

/** One named transport. */
export type TransportSettings = z.output<typeof transport>;

/**
 * The value of `HALFBOX_MICROSERVICES`, not yet checked.
 * Throws an `Error` that says what is expected and repeats nothing of the text, which may hold secrets.
 */
export function parseMicroservices(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(expected());
  }
}

function expected(): string {
  return 'expected JSON such as {"bus":{"transport":"redis","options":{"host":"10.0.0.5"}}}';
}

function quoted(input: unknown): string {
  return typeof input === 'string' ? `"${input}"` : 'none';
}

function isNamed(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

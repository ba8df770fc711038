import { closest } from 'fastest-levenshtein';
import type { ConsumedSubscription, ConsumerOptions } from '../../client/index.js';

type OfConsumer = Pick<
  ConsumerOptions,
  | 'concurrency'
  | 'ordered'
  | 'broadcasting'
  | 'stopMs'
  | 'startMs'
  | 'visibilityMs'
  | 'waitMs'
  | 'batchMax'
  | 'prefetchMax'
  | 'prefetchCharactersMax'
  | 'handlerMsMax'
>;

/**
 * What one handler asks for: `@EventPattern('orders', { group: 'billing', filter: 'paid', concurrency: 4 })`. The settings
 * of its subscription, and those of its consumer (see `ConsumerOptions`; beyond `concurrency`, `ordered`, `broadcasting`,
 * `stopMs` and `startMs` they are for pulling, and do nothing where the application shares Redis).
 */
export interface HalfboxHandlerOptions extends OfConsumer, ConsumedSubscription {
  /** Its consumer group. Handlers of one topic need different ones. */
  group?: string | undefined;
  /** False: the subscription exists already and is not touched. Default true. */
  subscribe?: boolean | undefined;
}

const consumerNames = [
  'concurrency',
  'ordered',
  'broadcasting',
  'stopMs',
  'startMs',
  'visibilityMs',
  'waitMs',
  'batchMax',
  'prefetchMax',
  'prefetchCharactersMax',
  'handlerMsMax',
] as const satisfies (keyof OfConsumer)[];

const subscriptionNames = [
  'filter',
  'startFrom',
  'maxAttempts',
  'retry',
  'maxInFlight',
  'ratePerSecond',
  'messagesPerJob',
  'onDeadLetter',
  'expiresAfterIdleMs',
] as const satisfies (keyof ConsumedSubscription)[];

const allNames: readonly string[] = [...consumerNames, ...subscriptionNames, 'group', 'subscribe'];

/** The two kinds of options apart. Throws for a name that is none, and says which was meant. */
export function splitHandlerOptions(
  pattern: string,
  options: HalfboxHandlerOptions,
): { consumer: OfConsumer; subscription: ConsumedSubscription | false } {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  for (const [name] of given) {
    if (!allNames.includes(name)) {
      throw new TypeError(
        `@EventPattern('${pattern}'): unknown option '${name}', did you mean '${closest(name, allNames)}'?`,
      );
    }
  }
  const some = (names: readonly string[]) => Object.fromEntries(given.filter(([name]) => names.includes(name)));
  return {
    consumer: some(consumerNames) as OfConsumer,
    subscription: options.subscribe === false ? false : (some(subscriptionNames) as ConsumedSubscription),
  };
}

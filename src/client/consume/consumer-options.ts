import { assertBetween } from '../../message/assert-between.js';
import { bounds } from '../../message/bounds.js';
import { groupPattern, topicPattern } from '../../message/names.js';
import type { HalfboxClient } from '../broker/halfbox-client.js';
import type { SubscriptionSettings } from '../contract.js';
import type { Handler } from './delivery-context.js';
import { toError } from './failure.js';

/** Where something went wrong: `handle` is the application's handler, the others are calls to a broker. */
export interface ConsumeFailure {
  during: 'subscribe' | 'receive' | 'handle' | 'extend' | 'settle' | 'queue';
  topic: string;
  group: string;
  /** Of `handle`, and of a delivery that was lost. */
  messageId?: string;
}

/** The settings of the subscription that a consumer makes, without its mode. */
export type ConsumedSubscription = Omit<SubscriptionSettings, 'mode' | 'push' | 'forward'>;

export interface Consuming<Body = unknown> {
  topic: string;
  /** Consumers of one group share its messages; each group gets all of them. */
  group: string;
  handler: Handler<Body>;
  /** Handlers that run at once, 1..10,000. Default 16. */
  concurrency?: number | undefined;
  /** One message at a time: the same as `concurrency: 1`. Default false. Order is kept per ordering key with any concurrency. */
  ordered?: boolean | undefined;
  /** How long `stop` waits for running handlers. Default 25,000. */
  stopMs?: number | undefined;
  /**
   * Told everything that went wrong: once for a call that goes on failing, each time for a handler or a lost delivery.
   * Default: a process warning. `Retry` and `Reject` are not reported.
   */
  onError?: ((error: Error, failure: ConsumeFailure) => void) | undefined;
  /** Called when messages can be received again, after a failure `during: 'receive'` or `'queue'` was reported. */
  onRecovered?: (() => void) | undefined;
}

export interface ConsumerOptions<Body = unknown> extends Consuming<Body> {
  /** Stays open when the consumer stops. */
  client: HalfboxClient;
  /**
   * Settings of the subscription, created or replaced at the start (scope `admin`). Default `{}`. `false`: it exists
   * already, and the scope `consume` is enough.
   */
  subscription?: ConsumedSubscription | false | undefined;
  /**
   * Every consumer gets every message: it has a subscription of its own, `{group}-{random}`, which the broker deletes
   * when it was not used for `expiresAfterIdleMs` (1 s..365 days, default a minute or twice the longer of `visibilityMs`
   * and `waitMs`). What is sent while the consumer is away for longer than that, it does not get. Default false.
   */
  broadcasting?: boolean | { expiresAfterIdleMs: number } | undefined;
  /** A delivery is this consumer's for so long, 1 s..12 h, and again while its handler runs. Default 30,000. */
  visibilityMs?: number | undefined;
  /** How long one call waits for a first message, 0..30 s, and two thirds of `visibilityMs` at most. Default 20,000. */
  waitMs?: number | undefined;
  /** Messages of one call, 1..256. Default 256. */
  batchMax?: number | undefined;
  /** Messages that wait in this process for a handler, at most. Default 512; fewer where handlers are slow: about a second's work. */
  prefetchMax?: number | undefined;
  /** Characters of such messages, about. Default 16 Mi. */
  prefetchCharactersMax?: number | undefined;
  /** Beyond this a handler's delivery is no longer extended, and is delivered again. Default 1 h. */
  handlerMsMax?: number | undefined;
  /** How long `start` tries to reach a broker. Default 60,000. */
  startMs?: number | undefined;
}

/** The options with their defaults. */
export type CompleteConsumerOptions<Body> = {
  [Name in keyof ConsumerOptions<Body>]-?: Exclude<ConsumerOptions<Body>[Name], undefined>;
};

/** Fills in the defaults. Throws a RangeError that names an option beyond its bounds. */
export function completeConsumerOptions<Body>(options: ConsumerOptions<Body>): CompleteConsumerOptions<Body> {
  checkConsuming(options);
  const complete: CompleteConsumerOptions<Body> = {
    client: options.client,
    topic: options.topic,
    group: options.group,
    handler: options.handler,
    subscription: options.subscription ?? {},
    broadcasting: options.broadcasting ?? false,
    ordered: options.ordered ?? false,
    concurrency: concurrencyOf(options),
    visibilityMs: options.visibilityMs ?? bounds.visibilityMsDefault,
    waitMs: options.waitMs ?? 20_000,
    batchMax: options.batchMax ?? bounds.receiveMax,
    prefetchMax: options.prefetchMax ?? 512,
    prefetchCharactersMax: options.prefetchCharactersMax ?? 16 * 1024 * 1024,
    handlerMsMax: options.handlerMsMax ?? 3_600_000,
    stopMs: options.stopMs ?? 25_000,
    startMs: options.startMs ?? 60_000,
    onError: options.onError ?? warnOfFailure,
    onRecovered: options.onRecovered ?? (() => undefined),
  };
  assertBetween('visibilityMs', complete.visibilityMs, bounds.visibilityMsMin, bounds.visibilityMsMax);
  assertBetween('waitMs', complete.waitMs, 0, bounds.waitMsMax);
  assertBetween('batchMax', complete.batchMax, 1, bounds.receiveMax);
  assertBetween('prefetchMax', complete.prefetchMax, 0, 100_000);
  assertBetween('startMs', complete.startMs, 0, Number.MAX_SAFE_INTEGER);
  assertBetween('handlerMsMax', complete.handlerMsMax, 1, Number.MAX_SAFE_INTEGER);
  if (complete.broadcasting !== false && complete.subscription === false) {
    throw new RangeError('broadcasting needs a subscription of its own: it excludes `subscription: false`');
  }
  return complete;
}

/** Checks what all kinds of consumers share. Throws a RangeError that names the option. */
export function checkConsuming({ topic, group, concurrency, ordered, stopMs }: Consuming<never>): void {
  if (!topicPattern.test(topic)) throw new RangeError(`'${topic}' is no topic`);
  if (!groupPattern.test(group)) throw new RangeError(`'${group}' is no name of a group`);
  assertBetween('stopMs', stopMs ?? 0, 0, Number.MAX_SAFE_INTEGER);
  assertBetween('concurrency', concurrency ?? 1, 1, 10_000);
  if (ordered === true && concurrency !== undefined && concurrency !== 1) {
    throw new RangeError(`ordered handles one message at a time: it excludes concurrency ${concurrency}`);
  }
}

export function concurrencyOf({ ordered, concurrency }: Consuming<never>): number {
  return ordered === true ? 1 : (concurrency ?? 16);
}

/** Tells the application, whose listener may throw: nothing else is to fail by that. */
export function tell(
  { topic, group, onError = warnOfFailure }: Pick<Consuming<never>, 'topic' | 'group' | 'onError'>,
  error: Error,
  failure: Omit<ConsumeFailure, 'topic' | 'group'>,
): void {
  try {
    onError(error, { topic, group, ...failure });
  } catch (thrown) {
    for (const each of [error, toError(thrown)]) warnOfFailure(each, { topic, group, ...failure });
  }
}

/** Tells the application that messages come again; as {@link tell}. */
export function tellRecovered({
  topic,
  group,
  onRecovered,
}: Pick<Consuming<never>, 'topic' | 'group' | 'onRecovered'>): void {
  try {
    onRecovered?.();
  } catch (thrown) {
    warnOfFailure(toError(thrown), { during: 'receive', topic, group });
  }
}

/** What an operator sees where the application does not listen. */
export function warnOfFailure(error: Error, { during, topic, group }: ConsumeFailure): void {
  process.emitWarning(`${topic}/${group}: ${during}: ${error.message}`, { type: 'HalfboxConsumerWarning' });
}

import { assertBetween } from '../../../message/assert-between.js';
import { newId } from '../../../message/message-id.js';
import { doneKey, type InboxMessage, type OnceOptions } from './done-key.js';
import { InboxBusy, InboxClaimLost } from './inbox-errors.js';
import type { Once } from './inbox.js';

/** What is used of Redis: ioredis' `Redis` and `Cluster` have it. */
export interface InboxRedis {
  /** Runs a Lua script on one key. */
  eval(script: string, keys: 1, key: string, ...args: string[]): Promise<unknown>;
}

export interface RedisInboxOptions {
  redis: InboxRedis;
  /** How long it is remembered what was done. Default 7 days; at least 1,000. */
  retentionMs?: number | undefined;
  /**
   * After how long without a sign of life a delivery in work counts as dead, so that the next one runs the work. Renewed while the
   * work runs. Default 60,000; at least 1,000.
   */
  claimMs?: number | undefined;
  /** Before every key. Default `halfbox:inbox:`. */
  prefix?: string | undefined;
}

/** Answers what is there; where nothing is, sets the claim and answers nil. */
const claimScript = `
local held = redis.call('GET', KEYS[1])
if held then return held end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return nil`;

/** Answers 1 where the claim was still there and was renewed. */
const renewScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`;

/** Answers 1 where the claim was still there and became the mark of what is done. */
const finishScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], 'done', 'PX', ARGV[2])
return 1`;

const releaseScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`;

/**
 * The weak inbox, for work that writes to no SQL database: keys in Redis with an end. It keeps most repeats away, and does not
 * guarantee that work runs once. The work runs again, or twice at once,
 * - when the process dies, or Redis is away, after the work and before its mark is stored: mark and work are not one;
 * - when Redis loses the key: by eviction, a restart without its last writes, a failover to a replica that lags behind;
 * - when the process stands still for longer than `claimMs` while the work runs, and another delivery begins;
 * - after `retentionMs`.
 * What holds: a delivery is never answered as done before its work has ended well. Where running twice does harm, use
 * {@link Inbox}.
 */
export class RedisInbox {
  readonly #redis: InboxRedis;
  readonly #retentionMs: number;
  readonly #claimMs: number;
  readonly #prefix: string;

  /** @throws RangeError for a time out of its bounds */
  constructor({
    redis,
    retentionMs = 7 * 24 * 3_600_000,
    claimMs = 60_000,
    prefix = 'halfbox:inbox:',
  }: RedisInboxOptions) {
    assertBetween('retentionMs', retentionMs, 1_000, Number.MAX_SAFE_INTEGER);
    assertBetween('claimMs', claimMs, 1_000, Number.MAX_SAFE_INTEGER);
    this.#redis = redis;
    this.#retentionMs = retentionMs;
    this.#claimMs = claimMs;
    this.#prefix = prefix;
  }

  /**
   * Runs the work unless the message was done before (`{ done: false }`). Rejects, so that the delivery comes again, with what
   * the work threw; with `InboxBusy` while another delivery is in work; with `InboxClaimLost` when the claim was gone as the
   * work ended; with Redis' error.
   * @param group the consumer group: 1..64 of `[A-Za-z0-9_-]`
   */
  async once<Result>(
    message: InboxMessage,
    group: string,
    work: () => Promise<Result>,
    options: OnceOptions = {},
  ): Promise<Once<Result>> {
    const key = `${this.#prefix}${group}:${doneKey(group, message, options)}`;
    const claim = `claim:${newId()}`;
    const held = await this.#redis.eval(claimScript, 1, key, claim, String(this.#claimMs));
    if (held === 'done') return { done: false };
    if (held !== null) throw new InboxBusy(group, message.id);
    const result = await this.#work(key, claim, work);
    const isMarked = await this.#redis.eval(finishScript, 1, key, claim, String(this.#retentionMs));
    if (Number(isMarked) !== 1) throw new InboxClaimLost(group, message.id);
    return { done: true, result };
  }

  async #work<Result>(key: string, claim: string, work: () => Promise<Result>): Promise<Result> {
    const renew = (): void => {
      // A renewal that fails is followed by the next one; what counts is whether the claim is there in the end.
      this.#redis.eval(renewScript, 1, key, claim, String(this.#claimMs)).catch(() => undefined);
    };
    const renewal = setInterval(renew, this.#claimMs / 3);
    try {
      return await work();
    } catch (error) {
      // Where this fails too the claim ends by itself.
      await this.#redis.eval(releaseScript, 1, key, claim).catch(() => undefined);
      throw error;
    } finally {
      clearInterval(renewal);
    }
  }
}

import type { Call, Caller } from '../broker/caller.js';
import type { Prepare, PreparedTransaction, ResolvedTransaction } from '../contract.js';
import { NotSerializable, type RefusedField } from '../errors.js';
import { Gatherer, type TryOptions } from './gatherer.js';
import type { SendCounts } from './send-counts.js';
import { completeSendSettings, type SendOptions, type SendSettingOptions, type SendSettings } from './send-settings.js';
import type { TransactionCalls } from './transaction-calls.js';
import { itemRefusal, tryCall, tryTogether, type TryOutcome } from './try-outcome.js';

/** One transaction call as it is sent. */
interface Content {
  kind: 'prepare' | 'commit' | 'rollback';
  id: string;
  /** JSON: the transaction to prepare, or an id. */
  text: string;
}

interface Problem {
  type: string;
  status: number;
  detail: string;
  errors?: RefusedField[] | undefined;
}

type ItemAnswer = PreparedTransaction | ResolvedTransaction | { id?: string; problem: Problem };

type BatchAnswer = Record<Content['kind'], ItemAnswer[]>;

/** How a resolution ends that is done. */
const endOf = { commit: 'committed', rollback: 'rolled_back' };

/**
 * The transaction calls of concurrent callers in gathered calls. Commits and rollbacks go one gathered call at a time, so
 * that messages become visible in the order in which their commits were asked for.
 */
export class TransactionSender implements TransactionCalls {
  readonly #prepares: Gatherer<Content, PreparedTransaction>;
  readonly #resolutions: Gatherer<Content, ResolvedTransaction>;

  readonly #settings: SendSettings;

  constructor(
    private readonly caller: Caller,
    options: SendSettingOptions = {},
  ) {
    const settings = completeSendSettings(options);
    this.#settings = settings;
    this.#prepares = new Gatherer((contents, options) => this.#tryBatch(contents, options), settings);
    this.#resolutions = new Gatherer((contents, options) => this.#tryBatch(contents, options), settings);
  }

  get counts(): SendCounts {
    const [prepares, resolutions] = [this.#prepares.counts, this.#resolutions.counts];
    const counts = { ...prepares };
    for (const name of Object.keys(counts) as (keyof SendCounts)[]) counts[name] += resolutions[name];
    counts.largestBatch = Math.max(prepares.largestBatch, resolutions.largestBatch);
    return counts;
  }

  async prepare(transaction: Prepare & { id: string }, options?: SendOptions): Promise<PreparedTransaction> {
    let text: string;
    try {
      text = JSON.stringify(transaction);
    } catch (cause) {
      throw new NotSerializable(transaction.messages.map(({ topic }) => topic).join(', '), cause);
    }
    return add(this.#prepares, { kind: 'prepare', id: transaction.id, text }, options);
  }

  commit(transactionId: string, options?: SendOptions): Promise<ResolvedTransaction> {
    return this.#resolve('commit', transactionId, options);
  }

  rollback(transactionId: string, options?: SendOptions): Promise<ResolvedTransaction> {
    return this.#resolve('rollback', transactionId, options);
  }

  /** Waits until everything is sent, at most so long; what is left then fails with `SendFailed`. Nothing may be asked after it. */
  async close(timeoutMs: number): Promise<void> {
    await Promise.all([this.#prepares.close(timeoutMs), this.#resolutions.close(timeoutMs)]);
  }

  #resolve(kind: 'commit' | 'rollback', id: string, options?: SendOptions): Promise<ResolvedTransaction> {
    return add(this.#resolutions, { kind, id, text: JSON.stringify(id) }, { ...options, ordered: true });
  }

  #tryBatch<Result>(contents: readonly Content[], options: TryOptions): Promise<TryOutcome<Result>[]> {
    return tryTogether(contents, (some) => this.#try<Result>(some, options));
  }

  async #try<Result>(
    contents: readonly Content[],
    { deadline, avoid, signal }: TryOptions,
  ): Promise<TryOutcome<TryOutcome<Result>[]>> {
    const timeoutMs = Math.ceil(Math.min(this.#settings.tryTimeoutMs, deadline - performance.now()));
    if (timeoutMs <= 0) return { kind: 'postponed' };
    const texts: Record<Content['kind'], string[]> = { prepare: [], commit: [], rollback: [] };
    for (const { kind, text } of contents) texts[kind].push(text);
    const { prepare, commit, rollback } = texts;
    const call: Call = {
      method: 'POST',
      path: '/v1/transactions/batch',
      bodyText: `{"prepare":[${prepare.join()}],"commit":[${commit.join()}],"rollback":[${rollback.join()}]}`,
      timeoutMs,
      avoid,
      signal,
    };
    return tryCall(this.caller, call, (answer) => outcomesOf<Result>(contents, answer as BatchAnswer));
  }
}

/** The outcome of each content, in their order. Throws where the answer is not about just these. */
function outcomesOf<Result>(contents: readonly Content[], answer: BatchAnswer): TryOutcome<Result>[] {
  const next = { prepare: 0, commit: 0, rollback: 0 };
  return contents.map(({ kind, id }): TryOutcome<Result> => {
    const item = answer[kind][next[kind]++]!;
    if ('problem' in item) return { kind: 'failed', error: itemRefusal(item.problem), endpoint: undefined };
    const isOfIt = item.id === id && (kind === 'prepare' ? Array.isArray(item.messages) : item.state === endOf[kind]);
    if (!isOfIt) throw new Error(`the answer is not about the ${kind} of ${id}`);
    return { kind: 'done', result: item as Result };
  });
}

function add<Result>(
  gatherer: Gatherer<Content, Result>,
  content: Content,
  options: SendOptions & { ordered?: boolean } = {},
): Promise<Result> {
  const bytes = Buffer.byteLength(content.text);
  return new Promise((resolve, reject) => {
    gatherer.add({ content, size: 1, bytes, ids: [content.id] }, { resolve, reject }, options);
  });
}

import type { Clock } from '../message/clock.js';
import { newId } from '../message/message-id.js';
import type { NewMessage, StoredMessage } from '../message/message.js';
import { Problem, type Outcome } from '../message/problem.js';
import { reached } from '../message/step.js';
import type { Resolution, Resolver } from '../message/transaction.js';
import type { Topic } from '../store/catalog-store.js';
import type { AppendResult, HalfStore, PreparedTransaction, PrepareItem } from '../store/half-store.js';
import { GroupCommit, type GroupCommitBounds, type SizedItem } from './group-commit.js';
import { silentHalfObserver, type HalfObserver } from './half-observer.js';
import { identify } from './identify.js';
import { itemProblem } from './items-caller.js';
import type { LogWriter } from './log-writer.js';
import { storedAt } from './message-copies.js';
import type { PendingBudget } from './pending-budget.js';
import type { ProducerCatalog } from './producer-catalog.js';
import type { TopicCatalog } from './topic-catalog.js';

export interface PrepareRequest {
  /** Absent: one is made. With it the call can be repeated safely. */
  id?: string;
  producer: string;
  /** Absent: the producer's, else the broker's setting. */
  firstCheckAfterMs?: number;
  /** The producer's process that asks for it: check-back asks that one first. */
  instance?: string;
  messages: NewMessage[];
}

/** What a resolution costs in a batch: the row's change and its share of the log. */
const resolutionBytes = 512;

/** The half stage: stores half messages and resolves their transactions. */
export class Transactions {
  readonly #prepares: GroupCommit<PrepareItem, PreparedTransaction>;

  /** @param onStored told the half messages of a batch after they are durable, so that the relay need not read them back */
  constructor(
    store: HalfStore,
    private readonly topics: TopicCatalog,
    private readonly producers: ProducerCatalog,
    private readonly log: LogWriter,
    private readonly clock: Clock,
    bounds: GroupCommitBounds,
    budget: PendingBudget,
    onStored: (messages: StoredMessage[]) => void = () => {},
    observer: HalfObserver = silentHalfObserver,
  ) {
    const write = async (items: PrepareItem[]) => {
      const now = clock.now();
      reached('half.prepare.before-store', items.length);
      const outcomes = await store.prepare(items, now);
      reached('half.prepare.after-store', items.length);
      onStored(newlyPrepared(items, outcomes, now));
      for (const { value } of outcomes) if (value?.repeated === false) observer.prepared();
      return outcomes;
    };
    this.#prepares = new GroupCommit(write, bounds, budget, (size) => observer.batch('prepare', size));
  }

  /**
   * Stores the messages of one transaction, invisible to consumers; durable when it resolves. Repeating it with the same
   * id and content answers with the ids given then and the present state. `id-reused`, `topic-not-found`,
   * `producer-not-found`, `body-too-large`.
   */
  async prepare(request: PrepareRequest): Promise<PreparedTransaction> {
    // What is known is not waited for: every wait would cost a turn of the microtask queue.
    const { item, bytes } = this.#knownItem(request) ?? (await this.#item(request));
    return this.#prepares.add(item, bytes);
  }

  /**
   * Resolves a transaction; when it resolves with a commit, the messages survive any crash and are on their way.
   * A repeat answers the same; `transaction-not-found`, `transaction-already-committed`, `transaction-already-rolled-back`.
   */
  resolve(transactionId: string, resolution: Resolution, by: Resolver, reason?: string): Promise<AppendResult> {
    return this.log.append({ kind: resolution, transactionId, by, reason }, resolutionBytes);
  }

  /**
   * Many at once: prepares first, then commits, then rollbacks; an item that fails does so alone.
   * A failure of the store itself fails the items that it met, each with `unavailable`.
   */
  async batch(request: {
    prepare: (PrepareRequest | Problem)[];
    commit: (string | Problem)[];
    rollback: (string | Problem)[];
  }): Promise<{
    prepare: Outcome<PreparedTransaction>[];
    commit: Outcome<AppendResult>[];
    rollback: Outcome<AppendResult>[];
  }> {
    const prepare = await this.#prepares.addAll(await this.#items(request.prepare));
    const commit = await this.#resolveAll(request.commit, 'commit');
    const rollback = await this.#resolveAll(request.rollback, 'rollback');
    return { prepare, commit, rollback };
  }

  #resolveAll(ids: readonly (string | Problem)[], kind: Resolution): Promise<Outcome<AppendResult>[]> {
    return this.log.appendAll(
      ids.map((id) => {
        if (id instanceof Problem) return id;
        return { item: { kind, transactionId: id, by: 'client', reason: undefined }, bytes: resolutionBytes };
      }),
    );
  }

  /** The items of a call, or what is wrong with each. */
  async #items(requests: readonly (PrepareRequest | Problem)[]): Promise<(SizedItem<PrepareItem> | Problem)[]> {
    const known = requests.map((request) => {
      try {
        return request instanceof Problem ? request : this.#knownItem(request);
      } catch (error) {
        return itemProblem(error);
      }
    });
    const load = (index: number) => this.#item(requests[index] as PrepareRequest).catch(itemProblem);
    // Nothing is waited for where all is known.
    if (!known.includes(null)) return known as (SizedItem<PrepareItem> | Problem)[];
    return Promise.all(known.map((item, index) => (item === null ? load(index) : Promise.resolve(item))));
  }

  /** Null when a topic or the producer must be loaded. */
  #knownItem(request: PrepareRequest): SizedItem<PrepareItem> | null {
    const topics = this.topics.known(request.messages);
    const firstCheckAfterMs = this.producers.knownFirstCheckAfterMs(request.producer);
    return topics === null || firstCheckAfterMs === null ? null : this.#sized(request, topics, firstCheckAfterMs);
  }

  async #item(request: PrepareRequest): Promise<SizedItem<PrepareItem>> {
    const topics = await this.topics.resolve(request.messages);
    return this.#sized(request, topics, await this.producers.firstCheckAfterMs(request.producer));
  }

  #sized(request: PrepareRequest, topics: Map<string, Topic>, producerDefaultMs: number): SizedItem<PrepareItem> {
    const { messages, bytes } = identify(request.messages, topics, this.clock.now());
    const item = {
      transactionId: request.id ?? newId(),
      producer: request.producer,
      messages,
      firstCheckAfterMs: request.firstCheckAfterMs ?? producerDefaultMs,
      instance: request.instance,
    };
    return { item, bytes };
  }
}

function newlyPrepared(items: PrepareItem[], outcomes: Outcome<PreparedTransaction>[], now: number): StoredMessage[] {
  const messages: StoredMessage[] = [];
  items.forEach(({ transactionId, messages: prepared }, index) => {
    // A repeat or a refused item must not replace what is stored under its ids.
    if (outcomes[index]?.value?.repeated !== false) return;
    for (const message of prepared) messages.push(storedAt(now, message, transactionId));
  });
  return messages;
}

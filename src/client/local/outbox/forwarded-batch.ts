import { reached } from '../../../message/step.js';
import type { Logger } from '../../../runtime/logger.js';
import type { Message } from '../../contract.js';
import { UnreadableMessage } from './outbox-errors.js';
import type { OutboxRows, WaitingRow } from './outbox-rows.js';
import { errorText, readSendFailure } from './send-failure.js';

/** Where an outbox's messages go. A `Producer` and a `HalfboxClient` are ones. */
export interface OutboxSender {
  /**
   * Resolves when all are stored, each once per id, in their order within an ordering key. Rejects with the client's errors,
   * which say whether it is the message's fault; it may then have stored all or none of them.
   */
  send(messages: readonly Message[]): Promise<unknown>;
}

export interface ForwardedBatchOptions {
  rows: OutboxRows;
  messages: ReadonlyMap<number, Message | UnreadableMessage>;
  sender: OutboxSender;
  failedBlocksKey: boolean;
  retryMsMax: number;
  logger: Logger;
  /** Raised as messages go. */
  counts: { sent: number; refused: number; deferred: number };
  now: number;
}

/** The first wait of a message that failed for an unclear reason. */
const retryMs = 1_000;
/** So many single messages in a row that fail for unclear reasons: it is not the messages. */
const unclearMax = 3;

/** One batch of rows on its way. A refused one is found by halves, so that the others need not wait for it. */
export class ForwardedBatch {
  /** Hashes of ordering keys of which a message has failed. */
  readonly #blocked = new Set<string>();
  #unclear = 0;

  constructor(private readonly options: ForwardedBatchOptions) {}

  /** Sends rows in their order, deletes those that are stored, and sets those aside that fail. Rejects when no broker takes any. */
  async forward(rows: readonly WaitingRow[]): Promise<void> {
    const { messages } = this.options;
    for (const row of rows) {
      const message = messages.get(row.seq);
      if (message instanceof UnreadableMessage) await this.#setAside(row, message);
    }
    return this.#forward(rows.filter(({ seq }) => !(messages.get(seq) instanceof UnreadableMessage)));
  }

  async #forward(rows: readonly WaitingRow[]): Promise<void> {
    const { messages, sender, counts } = this.options;
    // Another forwarder may have sent and deleted some meanwhile.
    const free = rows.filter((row) => messages.has(row.seq) && !this.#isBlocked(row));
    const [first] = free;
    if (first === undefined) return;
    reached('client.outbox.read-before-send');
    try {
      await sender.send(free.map(({ seq }) => messages.get(seq) as Message));
    } catch (error) {
      if (readSendFailure(error) === 'away') throw error;
      if (free.length === 1) return this.#setAside(first, error);
      const half = Math.ceil(free.length / 2);
      await this.#forward(free.slice(0, half));
      return this.#forward(free.slice(half));
    }
    this.#unclear = 0;
    reached('client.outbox.sent-before-delete');
    counts.sent += free.length;
    await this.options.rows.remove(
      free.map(({ seq }) => seq),
      'all',
    );
    reached('client.outbox.deleted');
  }

  #isBlocked({ orderHash }: WaitingRow): boolean {
    return orderHash !== undefined && this.#blocked.has(orderHash);
  }

  async #setAside(row: WaitingRow, error: unknown): Promise<void> {
    const { rows, failedBlocksKey, retryMsMax, logger, counts, now } = this.options;
    const isRefused = readSendFailure(error) === 'refused';
    if (!isRefused && (this.#unclear += 1) >= unclearMax) throw error;
    const retryAt = isRefused ? undefined : now + Math.min(retryMsMax, retryMs * 2 ** Math.min(row.attempts, 30));
    const text = errorText(error);
    await rows.fail(row.seq, text, now, retryAt);
    if (failedBlocksKey && row.orderHash !== undefined) this.#blocked.add(row.orderHash);
    counts[isRefused ? 'refused' : 'deferred'] += 1;
    const level = isRefused ? 'error' : 'warn';
    logger[level]({ messageId: row.id, error: text, retryAt }, 'a message of the outbox could not be sent');
  }
}

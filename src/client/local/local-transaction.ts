import type { EntityManager } from 'typeorm';
import { reached } from '../../message/step.js';
import type { Logger } from '../../runtime/logger.js';
import type { Message, ResolvedTransaction } from '../contract.js';
import {
  BrokerRefused,
  LocalTransactionLost,
  OutcomeUnknown,
  TransactionFenced,
  TransactionRepeated,
} from '../errors.js';
import type { LocalTransactionOptions } from '../producer/local-transactions.js';
import type { TransactionCalls } from '../producer/transaction-calls.js';
import type { Fence } from './fence.js';
import type { Outcome } from './fence-rows.js';
import { within, type HeldTransaction } from './in-hand.js';
import { openLocalConnection, type LocalConnection } from './local-connection.js';
import { beyondWork, OpenWork } from './open-work.js';

/** What the transactions of one producer have in common. */
export interface TransactionParts {
  producer: string;
  fence: Fence;
  calls: TransactionCalls;
  /** Bound of a COMMIT and of a ROLLBACK, each. */
  endMsMax: number;
  logger: Logger;
}

/** Refusals after which no check-back will commit the messages. */
const neverCommitted = new Set(['transaction-already-rolled-back', 'transaction-not-found']);

/**
 * One local transaction and its half messages. The order of its steps is what keeps the two together:
 * it is in hand before anything is prepared and until its end is known, so that no check-back of this process fences it; its
 * fence row is its first statement; the broker is told `commit` only after the COMMIT was answered, and `rollback` only
 * when nothing is committed for certain. Everything else is left to check-back, which reads the fence.
 */
export class LocalTransaction {
  readonly #work: OpenWork;
  readonly #held: HeldTransaction;
  #isPrepared = false;
  /** A statement or the work may still be running. */
  #isBusy = false;

  /** @param isIdGiven the id is not ours, so that another attempt may run under it */
  constructor(
    private readonly parts: TransactionParts,
    readonly id: string,
    private readonly isIdGiven: boolean,
    limitMs: number,
  ) {
    this.#work = new OpenWork(parts.fence.dataSource);
    this.#held = parts.fence.inHand.take(id, limitMs);
  }

  /** No longer in hand. Repeating it does nothing. */
  end(): void {
    this.#work.close();
    this.#held.release();
  }

  /** Stores the half messages. When it rejects they may be stored all the same; check-back then rolls them back. */
  async prepare(messages: readonly Message[], { firstCheckAfterMs }: LocalTransactionOptions): Promise<void> {
    const { producer, fence, calls } = this.parts;
    const transaction = {
      id: this.id,
      producer,
      instance: fence.instance,
      messages: [...messages],
      ...(firstCheckAfterMs !== undefined && { firstCheckAfterMs }),
    };
    reached('client.prepare.before-send');
    const { state } = await this.#held.inTime(calls.prepare(transaction));
    reached('client.prepared');
    if (state === 'committed') throw new TransactionRepeated(this.id);
    if (state === 'rolled_back') throw new TransactionFenced(this.id);
    this.#isPrepared = true;
  }

  /**
   * Runs the work in a local transaction and commits it.
   * @param beforeCommit prepares what the work added; answers false when it added nothing, so that no fence is needed
   */
  async runLocally<Result>(
    work: (manager: EntityManager) => Promise<Result>,
    { isolation }: LocalTransactionOptions,
    beforeCommit: () => Promise<boolean>,
  ): Promise<Result> {
    const connection = await this.#connect();
    let result: Result;
    let isFenced: boolean;
    try {
      this.#work.guard(connection.runner);
      await this.#step(() => connection.begin(isolation));
      await this.#enter(connection);
      reached('client.fence-written');
      result = await this.#step(() => this.#work.run(async () => work(connection.manager)));
      reached('client.work-done');
      this.#work.close();
      if (this.#work.endedBy !== undefined) throw new LocalTransactionLost(this.id, this.#work.endedBy);
      isFenced = await beforeCommit();
    } catch (error) {
      throw await this.#undo(connection, error);
    }
    await this.#commit(connection, isFenced);
    return result;
  }

  /** The broker's answer to the commit; undefined when none came, so that check-back commits the messages. */
  async makeVisible(): Promise<ResolvedTransaction | undefined> {
    try {
      const committed = await this.parts.calls.commit(this.id);
      reached('client.commit.answered');
      return committed;
    } catch (error) {
      if (error instanceof BrokerRefused && neverCommitted.has(error.code)) throw error;
      const fields = { err: error, transactionId: this.id };
      this.parts.logger.warn(fields, 'the broker did not answer a commit; check-back will commit the messages');
      return undefined;
    }
  }

  async #connect(): Promise<LocalConnection> {
    try {
      return await openLocalConnection(this.parts.fence.dataSource, (under) => this.#held.inTime(under));
    } catch (error) {
      // It never began, and never will.
      this.end();
      await this.#rollBackMessages();
      throw error;
    }
  }

  async #enter({ runner }: LocalConnection): Promise<void> {
    try {
      await this.#step(() => this.parts.fence.enter(runner, this.id));
    } catch (error) {
      throw new NotEntered(error);
    }
  }

  #step<Result>(act: () => Promise<Result>): Promise<Result> {
    return this.#held.inTime(this.#running(act));
  }

  #running<Result>(act: () => Promise<Result>): Promise<Result> {
    this.#isBusy = true;
    const idle = () => void (this.#isBusy = false);
    const running = act();
    running.then(idle, idle);
    return running;
  }

  /** Rolls back; answers the error that the caller gets. */
  async #undo(connection: LocalConnection, failure: unknown): Promise<unknown> {
    this.#work.close();
    const { error, isRolledBack } = await this.#rollBack(connection, failure);
    this.end();
    reached('client.local-rollback.after');
    if (isRolledBack) await this.#rollBackMessages();
    return error;
  }

  /** @returns whether nothing is committed for certain */
  async #rollBack(connection: LocalConnection, failure: unknown): Promise<{ error: unknown; isRolledBack: boolean }> {
    const { fence, logger } = this.parts;
    let error = failure instanceof NotEntered ? failure.cause : failure;
    // A ROLLBACK behind a statement that still runs would wait for it, and the work could go on after it.
    if (this.#isBusy) return { error, isRolledBack: await connection.discard() };
    try {
      await this.#inEndTime(connection.rollback());
      const outcome = await this.#inEndTime(this.#outcome(connection, failure));
      if (failure instanceof NotEntered) error = fence.refusal(this.id, error, outcome);
      await connection.release();
      return { error, isRolledBack: outcome !== 'committed' };
    } catch (cause) {
      logger.warn({ err: cause, transactionId: this.id }, 'a local ROLLBACK failed');
      return { error, isRolledBack: await connection.discard() };
    }
  }

  /** Somebody may have committed under this id: another attempt, or the work itself. */
  async #outcome(connection: LocalConnection, failure: unknown): Promise<Outcome | undefined> {
    const { fence } = this.parts;
    // Nothing is read without need: on a connection that has found the SQLite file busy, a read's lock would stay.
    const isNeeded =
      failure instanceof NotEntered ? fence.isTaken(failure.cause) : !connection.needsTransactionToRollBack;
    return isNeeded ? beyondWork(() => fence.outcome(connection.runner, this.id)) : undefined;
  }

  /** @param isFenced false: nothing was prepared, and no fence row is to stay */
  async #commit(connection: LocalConnection, isFenced: boolean): Promise<void> {
    const { fence } = this.parts;
    // The last thing before the COMMIT: what the database has rolled back by itself it would commit as nothing, and not tell.
    const lastly = async (): Promise<void> => {
      await fence.confirm(connection.runner, this.id);
      if (!isFenced) await fence.leave(connection.runner, this.id);
      this.#held.assertInTime();
      reached('client.local-commit.before');
    };
    try {
      await this.#inEndTime(this.#running(() => connection.commit(lastly)));
    } catch (error) {
      if (!connection.mayBeCommitted) throw await this.#undo(connection, error);
      this.#work.close();
      await connection.discard();
      throw new OutcomeUnknown(this.id, error);
    }
    reached('client.local-commit.after');
    this.end();
    await connection.release();
  }

  /** Spares the broker a check-back. Nothing depends on it. */
  async #rollBackMessages(): Promise<void> {
    if (!this.#isPrepared) return;
    const { fence, calls, logger } = this.parts;
    try {
      // Another attempt under the same id may come after this one: only when the fence keeps it out the messages may go.
      if (this.isIdGiven && (await fence.settle(this.id)) !== 'rolled_back') return;
      await calls.rollback(this.id);
    } catch (error) {
      const fields = { err: error, transactionId: this.id };
      logger.warn(fields, 'the broker was not told of a rollback; check-back will roll the messages back');
    }
  }

  #inEndTime<Result>(under: Promise<Result>): Promise<Result> {
    const { endMsMax } = this.parts;
    return within(endMsMax, under, () => new Error(`the database did not answer within ${endMsMax} ms`));
  }
}

/** The fence row could not be written. */
class NotEntered extends Error {
  constructor(override readonly cause: unknown) {
    super('the fence row was not written');
  }
}

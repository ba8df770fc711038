/** Every error of the client. `code` is stable; the message is for people. */
export abstract class HalfboxError extends Error {
  /** Stable, in lower case with hyphens: `broker-unreachable`; for a refusal the broker's own, `id-reused`. */
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A field of a call that the broker refused, and why. */
export interface RefusedField {
  /** `messages.0.topic`; empty for the call as a whole. */
  path: string;
  reason: string;
}

/**
 * The broker refused a call (RFC 9457 problem details): nothing was done. With a status of 500 or more, or the code
 * `not-a-broker` (a proxy in between answered), it may have been done all the same.
 */
export class BrokerRefused extends HalfboxError {
  /**
   * @param code stable code of the problem: `transaction-already-committed`
   * @param status of the HTTP answer
   * @param retryAfterMs how long the broker asks to wait before another try; undefined where it does not
   */
  constructor(
    readonly code: string,
    readonly status: number,
    readonly detail: string,
    readonly fields: readonly RefusedField[] = [],
    readonly retryAfterMs?: number,
  ) {
    super(`${code}: ${detail}`);
  }
}

/** No answer came from a broker. With an id of its own the call can be asked again, and gets the true result. */
export class BrokerUnreachable extends HalfboxError {
  readonly code = 'broker-unreachable';

  /** @param mayBeDone false when the call certainly did not reach a broker: the connection was refused */
  constructor(
    readonly url: string,
    readonly mayBeDone: boolean,
    cause: unknown,
  ) {
    super(`${url} gave no answer`, { cause });
  }
}

/** Messages could not be sent, all tries and brokers included. */
export class SendFailed extends HalfboxError {
  readonly code = 'send-failed';

  /**
   * @param mayBeStored true when an answer was lost: the messages may be stored. Sending them again with the same ids is
   * safe; with new ids it may deliver them twice. False: nothing was stored.
   * @param ids of the messages, or of the transaction
   */
  constructor(
    readonly mayBeStored: boolean,
    readonly ids: readonly string[],
    readonly attempts: number,
    cause: unknown,
  ) {
    super(`not sent after ${attempts} tries; ${mayBeStored ? 'it may be stored' : 'nothing was stored'}`, { cause });
  }
}

/** More waits to be sent than the client keeps in memory: slow down, or raise the bound. Nothing was stored. */
export class SendBufferFull extends HalfboxError {
  readonly code = 'send-buffer-full';

  constructor(what: string) {
    super(`too much waits to be sent (${what})`);
  }
}

/** The body of a message cannot be written as JSON: it has a cycle, a bigint, or a `toJSON` that throws. Nothing was stored. */
export class NotSerializable extends HalfboxError {
  readonly code = 'not-serializable';

  constructor(topic: string, cause: unknown) {
    super(`a message to ${topic} cannot be written as JSON`, { cause });
  }
}

/** The producer was closed: it takes nothing more. Nothing was stored. */
export class ProducerClosed extends HalfboxError {
  readonly code = 'producer-closed';

  constructor(producer: string) {
    super(`producer ${producer} is closed`);
  }
}

/**
 * The local COMMIT failed or its answer was lost, so that nobody here knows how the transaction ended. Check-back finds
 * out, and the messages follow it. Don't do the work again without asking your database first.
 */
export class OutcomeUnknown extends HalfboxError {
  readonly code = 'outcome-unknown';

  constructor(
    readonly transactionId: string,
    cause: unknown,
  ) {
    super(`it is not known whether the local transaction of ${transactionId} was committed`, { cause });
  }
}

/** A check-back has already answered `rollback` for this transaction: its local transaction can no longer commit. Nothing was done. */
export class TransactionFenced extends HalfboxError {
  readonly code = 'transaction-fenced';

  constructor(readonly transactionId: string) {
    super(`transaction ${transactionId} was answered as rolled back before its local transaction began`);
  }
}

/** The local transaction took longer than its limit and was rolled back. */
export class LocalTransactionTimeout extends HalfboxError {
  readonly code = 'local-transaction-timeout';

  constructor(
    readonly transactionId: string,
    limitMs: number,
  ) {
    super(`the local transaction of ${transactionId} took longer than ${limitMs} ms and was rolled back`);
  }
}

/**
 * The database rolled the local transaction back while its work went on, after an error that the work swallowed (a deadlock,
 * a statement that failed in PostgreSQL). Nothing of it is committed.
 */
export class LocalTransactionLost extends HalfboxError {
  readonly code = 'local-transaction-lost';

  constructor(
    readonly transactionId: string,
    cause?: unknown,
  ) {
    super(`the database rolled back the local transaction of ${transactionId} before its work ended`, { cause });
  }
}

/**
 * The work of a local transaction returned while a transaction that it had begun within it (`manager.transaction`, a savepoint)
 * was open: await everything that it does. All of it was rolled back.
 */
export class WorkUnfinished extends HalfboxError {
  readonly code = 'work-unfinished';

  constructor() {
    super('the work returned while a transaction that it began within its own was open: await everything that it does');
  }
}

/** The id belongs to a transaction that has committed, or that runs now: its work is not run a second time. Nothing was done. */
export class TransactionRepeated extends HalfboxError {
  readonly code = 'transaction-repeated';

  constructor(readonly transactionId: string) {
    super(`transaction ${transactionId} has committed already, or runs now`);
  }
}

/** A local transaction was begun in the work of another one on the same database. Use the work's manager. Nothing was done. */
export class NestedLocalTransaction extends HalfboxError {
  readonly code = 'nested-local-transaction';

  constructor() {
    super('a local transaction was begun in the work of another one: write with the manager that the work is given');
  }
}

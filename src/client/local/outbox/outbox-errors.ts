import { HalfboxError } from '../../errors.js';

/** A message that no broker would take was given to the outbox. Nothing was written. */
export class InvalidMessage extends HalfboxError {
  readonly code = 'invalid-message';

  /** @param field of the message */
  constructor(
    readonly field: string,
    readonly reason: string,
  ) {
    super(`the message's ${field} ${reason}`);
  }
}

/**
 * A manager without an open transaction was given to the outbox: what it writes would be committed apart from the
 * application's own changes. Nothing was written.
 */
export class NotInTransaction extends HalfboxError {
  readonly code = 'not-in-transaction';

  constructor() {
    super('the manager is in no transaction: use the one that dataSource.transaction() gives to its work');
  }
}

/** A row of the outbox holds no message: somebody else than the outbox has written it. It is set aside like a refused one. */
export class UnreadableMessage extends HalfboxError {
  readonly code = 'unreadable-message';

  constructor(why: string) {
    super(`the row holds no message as JSON: ${why}`);
  }
}

import { HalfboxError } from '../../errors.js';

/**
 * Another delivery of the same message (or another message with the same key) is being worked on, or the database had no place
 * in time. The work was not run. Let the delivery fail, so that it comes again.
 */
export class InboxBusy extends HalfboxError {
  readonly code = 'inbox-busy';

  constructor(
    readonly group: string,
    readonly messageId: string,
    cause?: unknown,
  ) {
    super(`message ${messageId} could not be looked at for ${group} now: it may be in work elsewhere`, { cause });
  }
}

/** What `RedisInbox` held of a message was gone when its work had ended: the work may have run twice at once. */
export class InboxClaimLost extends HalfboxError {
  readonly code = 'inbox-claim-lost';

  constructor(
    readonly group: string,
    readonly messageId: string,
  ) {
    super(`the claim of ${group} on message ${messageId} was gone before its work ended`);
  }
}

import { HalfboxError } from '../errors.js';

/** The broker no longer takes this try's outcome: its visibility ended, or it was sought away. The message is delivered again. */
export class ReceiptLost extends HalfboxError {
  readonly code = 'receipt-lost';

  constructor(
    readonly messageId: string,
    why: string,
    cause?: unknown,
  ) {
    super(`the receipt of message ${messageId} is lost: ${why}`, { cause });
  }
}

/** A handler ran for longer than `handlerMsMax`: its visibility is not extended any more, and the message is delivered again. */
export class HandlerTimeout extends HalfboxError {
  readonly code = 'handler-timeout';

  constructor(
    readonly messageId: string,
    limitMs: number,
  ) {
    super(`the handler of message ${messageId} ran for longer than ${limitMs} ms`);
  }
}

/** The consumer stopped before the handler had ended: the message is delivered again when its visibility ends. */
export class ConsumerStopped extends HalfboxError {
  readonly code = 'consumer-stopped';

  constructor(readonly messageId: string) {
    super(`the consumer stopped before the handler of message ${messageId} ended`);
  }
}

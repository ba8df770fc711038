import type { StoredMessage } from '../message/message.js';
import type { CheckOutcome } from '../message/transaction.js';
import type { Producer, SigningSecrets } from '../store/catalog-store.js';
import type { ClaimedCheck } from '../store/check-store.js';

/** What of a claimed check a question is made of. */
export type AskedCheck = Pick<
  ClaimedCheck,
  'transactionId' | 'producer' | 'attempt' | 'preparedAt' | 'instance' | 'messageIds'
>;

/** What a producer is asked: how did this transaction end? */
export interface CheckQuestion {
  check: AskedCheck;
  /** Its half messages, bodies included. */
  messages: StoredMessage[];
  /** Epoch ms by the store's clock, not later than the ask itself: `askedAt - check.preparedAt` is the least age. */
  askedAt: number;
}

/** How an ask ended. `error` says why there was no answer; short, without addresses or bodies. */
export interface CheckAnswer {
  outcome: CheckOutcome;
  error?: string;
}

/** One way to ask a producer. */
export interface ProducerAsker {
  /** Whether this producer is asked in this way. Somebody to ask may still be missing: see {@link openSince}. */
  canAsk(producer: Producer): boolean;
  /**
   * Since when (epoch ms, by the store's clock) there has been somebody to ask, of these producers: one that is missing
   * cannot be met at the moment. Absent where only an ask shows whether anybody is there.
   */
  openSince?(producers: readonly string[]): Promise<Map<string, number>>;
  /**
   * Asks once. What is not exactly one of the three answers is `unreachable`, `timeout` or `invalid`; it is never
   * guessed. Ends soon after the signal is aborted; what it answers or throws then is not looked at.
   */
  ask(
    question: CheckQuestion,
    producer: Producer,
    secrets: SigningSecrets | null,
    signal: AbortSignal,
  ): Promise<CheckAnswer>;
}

import type { DeliveredMessage } from '../contract.js';

/** How a producer answers a check-back. `unknown`: not decided yet, ask again later. */
export type Answer = 'commit' | 'rollback' | 'unknown';

/** What a broker asks: how did this transaction end? */
export interface Question {
  transactionId: string;
  producer: string;
  /** Counts every ask about the transaction from 1. */
  attempt: number;
  /** ISO 8601, by the broker's clock. */
  preparedAt: string;
  /** When this was asked, by the same clock: `askedAt - preparedAt` is the transaction's age, whatever the clocks here say. */
  askedAt: string;
  /** The instance that prepared it, where it said so. */
  instance?: string;
  /** Its half messages, without where they went: nothing of them is visible yet. */
  messages: Pick<DeliveredMessage, 'id' | 'topic' | 'key' | 'tag' | 'headers' | 'body' | 'bodyBase64'>[];
}

/** Knows how this application's transactions ended. */
export interface Answerer {
  /** Rejects when it cannot tell; the broker then counts the question as not answered and asks again. */
  answer(question: Question): Promise<Answer>;
}

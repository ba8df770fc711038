import type { CheckAnswer, CheckQuestion } from '../producer-asker.js';

/** How a question ended on one stream: with an answer (or none in time), or not at all, because the stream ended before. */
export type StreamAnswer = { answer: CheckAnswer; gone?: undefined } | { gone: string; answer?: undefined };

/** An open way to ask one instance of a producer, held by this node. */
export interface Stream {
  readonly producer: string;
  readonly instance: string;
  /** True for an answerer in this process. */
  readonly inProcess: boolean;
  /** Asks once; `timeout` when the signal is aborted before the answer. Never rejects. */
  ask(question: CheckQuestion, signal: AbortSignal): Promise<StreamAnswer>;
  /** Ends it; what is under way on it is gone. `code` is one of the WebSocket protocol: 1001 going away. */
  close(code: number, reason: string): void;
}

/** The end of an ask whose time is over. */
export const outOfTime: StreamAnswer = { answer: { outcome: 'timeout', error: 'no answer in time' } };

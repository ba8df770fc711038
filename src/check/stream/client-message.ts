import { z } from 'zod';
import type { CheckAnswer } from '../producer-asker.js';

/** What a client of a stream may send, all of it JSON text: answers, that it cannot answer, and signs of life. */
const heartbeat = z.strictObject({ type: z.literal('heartbeat') });
const answer = z.strictObject({
  type: z.literal('answer'),
  id: z.string(),
  resolution: z.enum(['commit', 'rollback', 'unknown']),
});
const error = z.strictObject({ type: z.literal('error'), id: z.string(), message: z.string() });

/** As much of a client's words as is kept. */
const wordsMax = 200;

export type ClientMessage = { heartbeat: true } | { heartbeat?: undefined; id: string; answer: CheckAnswer };

/**
 * Reads a message strictly; null for one that is none of ours. What is meant as the answer to a question and is not
 * exactly one is `invalid`; it is never guessed.
 */
export function readClientMessage(text: string): ClientMessage | null {
  const parsed = parse(text);
  if (heartbeat.safeParse(parsed).success) return { heartbeat: true };
  const answered = answer.safeParse(parsed);
  if (answered.success) return { id: answered.data.id, answer: { outcome: answered.data.resolution } };
  const failed = error.safeParse(parsed);
  if (failed.success) {
    const { id, message } = failed.data;
    return { id, answer: { outcome: 'invalid', error: `the answerer failed: ${shortened(message)}` } };
  }
  const id = (parsed as { id?: unknown } | null)?.id;
  if (typeof id !== 'string') return null;
  return { id, answer: { outcome: 'invalid', error: 'the answer has no valid resolution' } };
}

/** A client's words as they can be shown: short, without control characters and halves of characters. */
export function shortened(words: string): string {
  return words.slice(0, wordsMax).replace(/[\p{Cc}\p{Cs}]/gu, ' ');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

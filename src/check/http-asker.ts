import { CallbackFailure, type CallbackAnswer, type CallbackClient } from '../callback/callback-client.js';
import { signedHeaders } from '../callback/signer.js';
import type { Clock } from '../message/clock.js';
import type { CheckOutcome } from '../message/transaction.js';
import type { Producer, SigningSecrets } from '../store/catalog-store.js';
import type { CheckAnswer, CheckQuestion, ProducerAsker } from './producer-asker.js';
import { questionText } from './question.js';

const resolutions: ReadonlySet<unknown> = new Set<CheckOutcome>(['commit', 'rollback', 'unknown']);

/** Asks by a signed HTTP POST to the producer's URL (Standard Webhooks). Redirects count as no answer. */
export class HttpAsker implements ProducerAsker {
  /** @param timeoutMs bound of one call, the answer's body included */
  constructor(
    private readonly client: CallbackClient,
    private readonly clock: Clock,
    private readonly timeoutMs: number,
  ) {}

  canAsk(producer: Producer): boolean {
    return producer.checkBack?.type === 'http';
  }

  async ask(
    question: CheckQuestion,
    producer: Producer,
    secrets: SigningSecrets | null,
    signal: AbortSignal,
  ): Promise<CheckAnswer> {
    if (producer.checkBack?.type !== 'http') return { outcome: 'unreachable', error: 'the producer has no check-back' };
    // An unsigned question is never sent: the producer could not tell it from anybody's.
    if (!secrets) return { outcome: 'unreachable', error: 'the producer has no signing secret' };
    const { check } = question;
    const body = questionText(question);
    const headers = signedHeaders(secrets, `${check.transactionId}:check:${check.attempt}`, body, this.clock.now());
    try {
      return readAnswer(await this.client.post(producer.checkBack.url, body, headers, this.timeoutMs, signal));
    } catch (error) {
      if (!(error instanceof CallbackFailure)) throw error;
      return { outcome: outcomeOfFailure(error), error: error.message };
    }
  }
}

/** Reads an answer strictly: status 200 and a JSON object whose `resolution` is one of the three words. */
export function readAnswer({ status, body, cutShort }: CallbackAnswer): CheckAnswer {
  if (cutShort === 'timeout') return { outcome: 'timeout', error: 'no whole answer in time' };
  if (cutShort === 'connection-lost') return { outcome: 'unreachable', error: 'the answer broke off' };
  if (cutShort === 'too-large') return { outcome: 'invalid', error: 'the answer is too large' };
  if (status !== 200) return { outcome: 'invalid', error: `http-${status}` };
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    return { outcome: 'invalid', error: 'the answer is not JSON' };
  }
  // Own members only: nothing that an object inherits is an answer.
  const isObject = typeof parsed === 'object' && parsed !== null && Object.hasOwn(parsed, 'resolution');
  const resolution = isObject ? (parsed as { resolution: unknown }).resolution : undefined;
  if (!resolutions.has(resolution)) return { outcome: 'invalid', error: 'the answer has no valid resolution' };
  return { outcome: resolution as CheckOutcome };
}

function outcomeOfFailure({ kind }: CallbackFailure): CheckOutcome {
  if (kind === 'timeout' || kind === 'invalid') return kind;
  return 'unreachable';
}

import { MicroserviceFailure } from '../callback/microservice-failure.js';
import type { CheckOutcome } from '../message/transaction.js';
import type { Producer, SigningSecrets } from '../store/catalog-store.js';
import type { CheckAnswer, CheckQuestion, ProducerAsker } from './producer-asker.js';
import { questionText } from './question.js';

/** Sends requests over transports that the operator has named. */
export interface MicroserviceCaller {
  /**
   * Sends a question to the handler of a pattern and resolves to the first value that is answered.
   * @param transport a name of the setting `microservices`
   * @param timeoutMs bound of the whole call
   * @param signal ends it early, as a time-out
   * @throws MicroserviceFailure when no value was answered
   */
  ask(transport: string, pattern: string, question: unknown, timeoutMs: number, signal: AbortSignal): Promise<unknown>;
}

const resolutions: ReadonlySet<unknown> = new Set<CheckOutcome>(['commit', 'rollback', 'unknown']);

/** Asks the handler of a microservice pattern, over a transport that the operator has named. */
export class MicroserviceAsker implements ProducerAsker {
  /** @param timeoutMs bound of one ask, the connecting included */
  constructor(
    private readonly caller: MicroserviceCaller,
    private readonly timeoutMs: number,
  ) {}

  canAsk(producer: Producer): boolean {
    return producer.checkBack?.type === 'microservice';
  }

  async ask(
    question: CheckQuestion,
    { checkBack }: Producer,
    _secrets: SigningSecrets | null,
    signal: AbortSignal,
  ): Promise<CheckAnswer> {
    if (checkBack?.type !== 'microservice') return { outcome: 'unreachable', error: 'the producer has no check-back' };
    const { transport, pattern } = checkBack;
    const asked: unknown = JSON.parse(questionText(question));
    try {
      return readResolution(await this.caller.ask(transport, pattern, asked, this.timeoutMs, signal));
    } catch (error) {
      if (!(error instanceof MicroserviceFailure)) throw error;
      return { outcome: error.kind === 'refused' ? 'unreachable' : error.kind, error: error.message };
    }
  }
}

/** Reads a handler's value strictly: an object whose own `resolution` is one of the three words. */
function readResolution(value: unknown): CheckAnswer {
  const isObject = typeof value === 'object' && value !== null && Object.hasOwn(value, 'resolution');
  const resolution = isObject ? (value as { resolution: unknown }).resolution : undefined;
  if (!resolutions.has(resolution)) return { outcome: 'invalid', error: 'the answer has no valid resolution' };
  return { outcome: resolution as CheckOutcome };
}

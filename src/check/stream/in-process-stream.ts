import type { CheckAnswer, CheckQuestion } from '../producer-asker.js';
import { questionText, type AskedQuestion } from '../question.js';
import { shortened } from './client-message.js';
import { outOfTime, type Stream, type StreamAnswer } from './stream.js';

/** Knows how the transactions of an application in this process ended. Rejecting is no answer. */
export interface InProcessAnswerer {
  answer(question: AskedQuestion): Promise<'commit' | 'rollback' | 'unknown'>;
}

const resolutions: ReadonlySet<unknown> = new Set(['commit', 'rollback', 'unknown']);

/** An answerer in this process, asked with the same question as over a connection. */
export class InProcessStream implements Stream {
  readonly inProcess = true;
  readonly #ending = new AbortController();

  constructor(
    readonly producer: string,
    readonly instance: string,
    private readonly answerer: InProcessAnswerer,
    private readonly onEnd: () => void,
  ) {}

  async ask(question: CheckQuestion, signal: AbortSignal): Promise<StreamAnswer> {
    const ending = this.#ending.signal;
    if (ending.aborted) return gone;
    if (signal.aborted) return outOfTime;
    let stopWaiting = (): void => {};
    const ended = new Promise<StreamAnswer>((resolve) => {
      const onEnd = (): void => resolve(ending.aborted ? gone : outOfTime);
      for (const each of [signal, ending]) each.addEventListener('abort', onEnd, { once: true });
      stopWaiting = () => [signal, ending].forEach((each) => each.removeEventListener('abort', onEnd));
    });
    try {
      return await Promise.race([this.#answer(question), ended]);
    } finally {
      stopWaiting();
    }
  }

  close(): void {
    if (this.#ending.signal.aborted) return;
    this.#ending.abort();
    this.onEnd();
  }

  async #answer(question: CheckQuestion): Promise<StreamAnswer> {
    return { answer: await this.#askAnswerer(question) };
  }

  async #askAnswerer(question: CheckQuestion): Promise<CheckAnswer> {
    try {
      const resolution: unknown = await this.answerer.answer(JSON.parse(questionText(question)) as AskedQuestion);
      if (resolutions.has(resolution)) return { outcome: resolution as CheckAnswer['outcome'] };
      return { outcome: 'invalid', error: 'the answer has no valid resolution' };
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      return { outcome: 'invalid', error: `the answerer failed: ${shortened(words)}` };
    }
  }
}

const gone: StreamAnswer = { gone: 'the answerer was taken away' };

import type { Answer, Answerer, Question } from './answerer.js';

/** What was not answered, and why: too much to do, too slow, or the answerer's own error. */
export class NotAnswered extends Error {}

export interface QuestionQueueBounds {
  /** Being answered at once. */
  answersMax: number;
  /** Waiting for that. */
  waitingMax: number;
  /** Bound of one answer, its waiting included. */
  answerTimeoutMs: number;
}

/** Answers questions, a bounded number at once. An answerer that hangs keeps its place, so that hanging work cannot pile up. */
export class QuestionQueue {
  readonly #waiting: (() => void)[] = [];
  readonly #underWay = new Set<Promise<unknown>>();
  #answering = 0;

  constructor(
    private readonly answerer: Answerer,
    private readonly bounds: QuestionQueueBounds,
  ) {}

  /** Rejects when there is no answer: with the answerer's error, or {@link NotAnswered}. */
  answer(question: Question): Promise<Answer> {
    const { answersMax, waitingMax, answerTimeoutMs } = this.bounds;
    if (this.#answering >= answersMax && this.#waiting.length >= waitingMax) {
      return Promise.reject(new NotAnswered('too many questions wait for an answer'));
    }
    const late = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        late.abort();
        reject(new NotAnswered(`no answer within ${answerTimeoutMs} ms`));
      }, answerTimeoutMs);
    });
    const answered = Promise.race([this.#run(question, late.signal), tooLate]).finally(() => {
      clearTimeout(timer);
      this.#underWay.delete(answered);
    });
    this.#underWay.add(answered);
    return answered;
  }

  /** Resolves when no question is in hand any more: within the time of one answer, if none comes. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#underWay);
  }

  async #run(question: Question, late: AbortSignal): Promise<Answer> {
    if (this.#answering < this.bounds.answersMax) this.#answering += 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      if (late.aborted) throw new NotAnswered('it was too late before it was its turn');
      return await this.answerer.answer(question);
    } finally {
      // The place goes to the next one, or is free.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#answering -= 1;
    }
  }
}

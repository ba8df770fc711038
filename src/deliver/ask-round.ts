import type { Taken } from './give-back.js';
import type { Watched } from './several-waits.js';

/** A delivery with what it was taken from. */
export interface TakenFrom extends Taken {
  watched: Watched;
}

/** How long those that have not answered are waited for once one has delivered; or a quarter of the claims' time, if that is less. */
const graceMsMax = 1_000;

/** Several subscriptions that are asked at the same time. One that is slow does not hold up for long what others have given. */
export class AskRound {
  readonly #taken: TakenFrom[] = [];
  readonly #failed = new Map<Watched, unknown>();
  readonly #unanswered = new Set<Watched>();
  #over = false;
  #delivered: () => void = () => undefined;

  /**
   * @param ask takes from one of them
   * @param late is given what came too late
   */
  constructor(
    private readonly ask: (watched: Watched) => Promise<TakenFrom[]>,
    private readonly late: (taken: TakenFrom[]) => void,
  ) {}

  /** Those that failed, and why. */
  get failed(): ReadonlyMap<Watched, unknown> {
    return this.#failed;
  }

  /** What they gave: those first that were served least recently. */
  async run(watched: Watched[], claimMs: number): Promise<TakenFrom[]> {
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      this.#delivered = () => (timer ??= setTimeout(resolve, Math.min(graceMsMax, claimMs / 4)));
    });
    await Promise.race([Promise.all(watched.map((one) => this.#answer(one))), patience]);
    clearTimeout(timer);
    this.#over = true;
    for (const one of this.#unanswered) one.slow = true;
    return this.#taken.sort((a, b) => a.watched.servedAs - b.watched.servedAs);
  }

  async #answer(watched: Watched): Promise<void> {
    this.#unanswered.add(watched);
    try {
      const taken = await this.ask(watched).finally(() => this.#unanswered.delete(watched));
      if (this.#over) return this.late(taken);
      this.#taken.push(...taken);
      if (taken.length > 0) this.#delivered();
    } catch (error) {
      this.#failed.set(watched, error);
    }
  }
}

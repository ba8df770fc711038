import type { Taken } from './give-back.js';
import type { Watched } from './several-waits.js';

/** A delivery with what it was taken from. */
export interface TakenFrom extends Taken {
  watched: Watched;
}

/** How long an answer is waited for; or a quarter of the claims' time, if that is less. */
const patienceMsDefault = 1_000;

/**
 * Several subscriptions that are asked at the same time. One that does not answer holds up the others, whose claims run, for a bounded
 * time: what it gives later is given back, and it is waited for twice as long the next time.
 */
export class AskRound {
  readonly #taken: TakenFrom[] = [];
  readonly #failed = new Map<Watched, unknown>();
  readonly #unanswered = new Set<Watched>();
  #over = false;

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
    const least = Math.min(patienceMsDefault, claimMs / 4);
    const most = claimMs / 2;
    const patienceMs = watched.reduce((longest, one) => Math.max(longest, Math.min(one.patienceMs ?? 0, most)), least);
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, patienceMs)));
    await Promise.race([Promise.all(watched.map((one) => this.#answer(one))), patience]);
    clearTimeout(timer);
    this.#over = true;
    for (const one of this.#unanswered) {
      one.slow = true;
      one.patienceMs = patienceMs * 2;
    }
    return this.#taken.sort((a, b) => a.watched.servedAs - b.watched.servedAs);
  }

  async #answer(watched: Watched): Promise<void> {
    this.#unanswered.add(watched);
    try {
      const taken = await this.ask(watched).finally(() => this.#unanswered.delete(watched));
      if (this.#over) return this.late(taken);
      watched.patienceMs = undefined;
      this.#taken.push(...taken);
    } catch (error) {
      this.#failed.set(watched, error);
    }
  }
}

import type { LRUCache } from 'lru-cache';
import { boundedCache } from '../runtime/bounded-cache.js';

/** Tries that are remembered. Default; the oldest ones go first. */
const rememberedMax = 10_000;

/**
 * How often the present try of a delivery was released: a release counts no attempt, so that what is handed out next has
 * the same place and attempt, and only this tells the two apart. Known to the node that took the release.
 */
export class Releases {
  readonly #counts: LRUCache<string, number>;

  constructor(max = rememberedMax) {
    this.#counts = boundedCache(max);
  }

  /** @param handOut names the subscription, the place, the attempt and the generation */
  of(handOut: string): number {
    // Nearly nobody releases anything.
    return this.#counts.size === 0 ? 0 : (this.#counts.get(handOut) ?? 0);
  }

  note(handOut: string): void {
    this.#counts.set(handOut, this.of(handOut) + 1);
  }

  /** The release was not stored after all. */
  takeBack(handOut: string): void {
    const count = this.of(handOut) - 1;
    if (count > 0) this.#counts.set(handOut, count);
    else this.#counts.delete(handOut);
  }
}

/** Parts of the window that are counted, and forgotten, each as a whole. */
const parts = 10;

/** Counts what happened within the window that has just passed, to a tenth of it, in a fixed amount of memory. */
export class RecentCount {
  readonly #counts = new Array<number>(parts).fill(0);
  readonly #partMs: number;
  #total = 0;
  /** Number of the part in which time was last. */
  #part = 0;

  constructor(windowMs: number) {
    this.#partMs = windowMs / parts;
  }

  /** @param now milliseconds; never less than before */
  add(now: number): void {
    this.#pass(now);
    this.#counts[this.#part % parts]! += 1;
    this.#total += 1;
  }

  /** @param now milliseconds; never less than before */
  at(now: number): number {
    this.#pass(now);
    return this.#total;
  }

  #pass(now: number): void {
    const part = Math.floor(now / this.#partMs);
    for (let passed = Math.max(this.#part + 1, part - parts + 1); passed <= part; passed += 1) {
      this.#total -= this.#counts[passed % parts]!;
      this.#counts[passed % parts] = 0;
    }
    this.#part = part;
  }
}

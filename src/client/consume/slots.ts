/** So many may run at once; the others wait in their order. */
export class Slots {
  readonly #waiting: ((isFree: boolean) => void)[] = [];
  #isClosed = false;

  constructor(private free: number) {}

  /** Takes a slot if one is free now and nobody waits. */
  takeNow(): boolean {
    if (this.#isClosed || this.free === 0) return false;
    this.free -= 1;
    return true;
  }

  /** Resolves with true when a slot is taken, with false when they are closed. */
  take(): Promise<boolean> {
    if (this.#isClosed) return Promise.resolve(false);
    if (this.takeNow()) return Promise.resolve(true);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  give(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.free += 1;
    else next(true);
  }

  /** Nobody gets one any more. */
  close(): void {
    this.#isClosed = true;
    for (const resolve of this.#waiting.splice(0)) resolve(false);
  }
}

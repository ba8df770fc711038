/** Tells listeners that something may have become ready: once for all that happened in one turn. */
export class ReadySignal {
  readonly #listeners = new Set<() => void>();
  #scheduled = false;

  /** Answers how to stop listening. */
  on(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  readonly give = (): void => {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      for (const listener of [...this.#listeners]) listener();
    });
  };
}

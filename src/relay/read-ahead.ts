/** Counts the messages that the subscriptions of a node have read and not given out. */
export class ReadAhead {
  #count = 0;

  /** @param bounds `readAheadMax`: messages of the whole node */
  constructor(private readonly bounds: { readAheadMax: number }) {}

  get count(): number {
    return this.#count;
  }

  /** From now on nothing is read but what consumers ask for: half of the room is theirs. */
  get isHalfFull(): boolean {
    return this.#count * 2 >= this.bounds.readAheadMax;
  }

  /** From now on that is read a little at a time. */
  get isFull(): boolean {
    return this.#count >= this.bounds.readAheadMax;
  }

  add(count: number): void {
    this.#count += count;
  }
}

/** One subscription's part of it. */
export class ReadAheadShare {
  #count = 0;
  #closed = false;

  constructor(readonly node: Pick<ReadAhead, 'isHalfFull' | 'isFull' | 'add'>) {}

  get count(): number {
    return this.#count;
  }

  /** @param count negative where messages leave */
  add(count: number): void {
    this.#count += count;
    if (!this.#closed) this.node.add(count);
  }

  /** The subscription has ended here. What is still done to it counts no more. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.node.add(-this.#count);
  }
}

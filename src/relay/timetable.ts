interface Entry<Item> {
  item: Item;
  at: number;
}

/** When each item is to be looked at next: a heap, so that items that wait for long cost nothing meanwhile. */
export class Timetable<Item> {
  readonly #times = new Map<Item, number>();
  /** A binary heap by time. An entry whose time is not its item's is out of date. */
  #heap: Entry<Item>[] = [];

  /** When the first item is due (epoch ms), or a little earlier; Infinity when there is none. */
  get nextAt(): number {
    return this.#heap[0]?.at ?? Infinity;
  }

  /** Due at `at`, or earlier where that was asked for before. */
  set(item: Item, at: number): void {
    const known = this.#times.get(item);
    if (known !== undefined && known <= at) return;
    this.#times.set(item, at);
    this.#push({ item, at });
    if (this.#heap.length > 2 * this.#times.size + 64) this.#compact();
  }

  delete(item: Item): void {
    this.#times.delete(item);
  }

  /** Takes out the items that are due. */
  due(now: number): Item[] {
    const due: Item[] = [];
    while (this.#heap.length > 0 && this.#heap[0]!.at <= now) {
      const { item, at } = this.#pop();
      if (this.#times.get(item) !== at) continue;
      this.#times.delete(item);
      due.push(item);
    }
    return due;
  }

  #compact(): void {
    // In ascending order an array is a heap.
    this.#heap = [...this.#times].map(([item, at]) => ({ item, at })).sort((a, b) => a.at - b.at);
  }

  #push(entry: Entry<Item>): void {
    let index = this.#heap.push(entry) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (this.#heap[parent]!.at <= entry.at) break;
      this.#heap[index] = this.#heap[parent]!;
      index = parent;
    }
    this.#heap[index] = entry;
  }

  #pop(): Entry<Item> {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.at < heap[child]!.at) child += 1;
      if (heap[child]!.at >= last.at) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
    return first;
  }
}

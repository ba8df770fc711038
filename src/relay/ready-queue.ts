/** A queue that also takes things back at its front. All operations take constant time on average. */
export class ReadyQueue<Item> {
  #items: (Item | undefined)[] = [];
  #head = 0;

  /** @param counted told by how much the queue grew (or shrank, where it is negative) */
  constructor(private readonly counted: { add(count: number): void } | null = null) {}

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(item: Item): void {
    this.#items.push(item);
    this.counted?.add(1);
  }

  /** Puts an item before all others. */
  unshift(item: Item): void {
    if (this.#head > 0) this.#items[--this.#head] = item;
    else this.#items.unshift(item);
    this.counted?.add(1);
  }

  peek(): Item | undefined {
    return this.#items[this.#head];
  }

  shift(): Item | undefined {
    if (this.#head === this.#items.length) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    this.counted?.add(-1);
    if (this.#head === this.#items.length) {
      this.#items.length = 0;
      this.#head = 0;
    } else if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Takes out and answers what does not pass. */
  removeUnless(keep: (item: Item) => boolean): Item[] {
    const removed: Item[] = [];
    const kept: Item[] = [];
    for (let item = this.shift(); item !== undefined; item = this.shift()) (keep(item) ? kept : removed).push(item);
    this.#items = kept;
    this.#head = 0;
    this.counted?.add(kept.length);
    return removed;
  }
}

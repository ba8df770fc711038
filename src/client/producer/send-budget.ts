/** Something that takes room. */
export interface Sized {
  readonly size: number;
  readonly bytes: number;
}

/**
 * Bounds what a producer holds in memory. What finds no room may wait for it, first come, first served; as many items
 * and bytes again may wait at most.
 */
export class SendBudget<Load extends Sized> {
  #items = 0;
  #bytes = 0;
  readonly #waiting = new Set<Load>();
  #waitingItems = 0;
  #waitingBytes = 0;

  /** @param onRoom told of each load that waited and has its room now */
  constructor(
    private readonly bounds: { itemsMax: number; bytesMax: number },
    private readonly onRoom: (load: Load) => void,
  ) {}

  get items(): number {
    return this.#items + this.#waitingItems;
  }

  get bytes(): number {
    return this.#bytes + this.#waitingBytes;
  }

  /** Takes room, or answers false. Does not overtake what waits. A load that is larger than the bounds fits when it is the only one. */
  take(load: Load): boolean {
    if (this.#waiting.size > 0 || !this.#fits(this.#items, this.#bytes, load)) return false;
    this.#occupy(load);
    return true;
  }

  /** Waits for room; answers false where too much waits already. */
  wait(load: Load): boolean {
    if (!this.#fits(this.#waitingItems, this.#waitingBytes, load)) return false;
    this.#waiting.add(load);
    this.#waitingItems += load.size;
    this.#waitingBytes += load.bytes;
    return true;
  }

  /** Gives room back, or the place among what waits. */
  release(load: Load): void {
    if (!this.#leave(load)) {
      this.#items -= load.size;
      this.#bytes -= load.bytes;
    }
    for (const next of this.#waiting) {
      if (!this.#fits(this.#items, this.#bytes, next)) return;
      this.#leave(next);
      this.#occupy(next);
      this.onRoom(next);
    }
  }

  #leave(load: Load): boolean {
    if (!this.#waiting.delete(load)) return false;
    this.#waitingItems -= load.size;
    this.#waitingBytes -= load.bytes;
    return true;
  }

  #occupy(load: Load): void {
    this.#items += load.size;
    this.#bytes += load.bytes;
  }

  #fits(items: number, bytes: number, load: Load): boolean {
    if (items === 0) return true;
    return items + load.size <= this.bounds.itemsMax && bytes + load.bytes <= this.bounds.bytesMax;
  }
}

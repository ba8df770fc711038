import type { OffsetRanges } from '../store/lane-store.js';

/**
 * A set of offsets kept as half-open runs: the settled ones of a lane. Everything below the floor is in it.
 * Memory and time grow with the number of runs, not of offsets.
 */
export class OffsetSet {
  // Run i is [#from[i], #to[i]); ascending, and with a gap between neighbours. Run 0 starts at 0 where the floor is above 0.
  readonly #from: number[];
  readonly #to: number[];

  /** @param above runs above the floor, ascending and apart */
  constructor(floor: number, above: OffsetRanges = []) {
    this.#from = floor > 0 ? [0] : [];
    this.#to = floor > 0 ? [floor] : [];
    for (const [from, to] of above) this.add(from, to);
  }

  /** The lowest offset that is not in the set. */
  get floor(): number {
    return this.#from[0] === 0 ? this.#to[0]! : 0;
  }

  /** One more than the highest offset in the set; 0 when empty. */
  get end(): number {
    return this.#to.length === 0 ? 0 : this.#to[this.#to.length - 1]!;
  }

  /** Number of runs above the floor. */
  get runs(): number {
    return this.#from[0] === 0 ? this.#from.length - 1 : this.#from.length;
  }

  has(offset: number): boolean {
    if (offset >= this.end) return false;
    const index = this.#firstEndingAfter(offset);
    return this.#from[index]! <= offset;
  }

  /** The lowest offset from `offset` on that is not in the set. */
  nextOutside(offset: number): number {
    if (offset >= this.end) return offset;
    const index = this.#firstEndingAfter(offset);
    return this.#from[index]! <= offset ? this.#to[index]! : offset;
  }

  /** Adds `[from, to)`. */
  add(from: number, to = from + 1): void {
    if (from >= to) return;
    const last = this.#to.length - 1;
    if (last >= 0 && from === this.#to[last]) {
      this.#to[last] = to;
      return;
    }
    // Runs that overlap or touch [from, to) become one with it.
    const first = this.#firstEndingAfter(from - 1);
    let end = first;
    let mergedFrom = from;
    let mergedTo = to;
    while (end < this.#from.length && this.#from[end]! <= to) {
      mergedFrom = Math.min(mergedFrom, this.#from[end]!);
      mergedTo = Math.max(mergedTo, this.#to[end]!);
      end += 1;
    }
    this.#from.splice(first, end - first, mergedFrom);
    this.#to.splice(first, end - first, mergedTo);
  }

  /** Takes `[from, to)` out again. */
  remove(from: number, to = from + 1): void {
    if (from >= to || from >= this.end) return;
    const first = this.#firstEndingAfter(from);
    const froms: number[] = [];
    const tos: number[] = [];
    let end = first;
    for (; end < this.#from.length && this.#from[end]! < to; end += 1) {
      if (this.#from[end]! < from) {
        froms.push(this.#from[end]!);
        tos.push(from);
      }
      if (this.#to[end]! > to) {
        froms.push(to);
        tos.push(this.#to[end]!);
      }
    }
    this.#from.splice(first, end - first, ...froms);
    this.#to.splice(first, end - first, ...tos);
  }

  /** The runs above the floor. */
  above(): OffsetRanges {
    const ranges: OffsetRanges = [];
    for (let index = this.#from[0] === 0 ? 1 : 0; index < this.#from.length; index += 1) {
      ranges.push([this.#from[index]!, this.#to[index]!]);
    }
    return ranges;
  }

  #firstEndingAfter(offset: number): number {
    let low = 0;
    let high = this.#to.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#to[middle]! > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

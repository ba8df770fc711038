/** Buckets are 1 % apart, from 0.01 ms to over an hour. */
const smallestMs = 0.01;
const perLogarithm = 1 / Math.log(1.01);
const size = 2_000;

export interface Percentiles {
  p50: number;
  p99: number;
  max: number;
}

/** What goes between processes: the buckets that hold something, and the exact largest time. */
export interface HistogramParts {
  counts: [bucket: number, count: number][];
  max: number;
}

/** Times in ms, in a fixed amount of memory however many they are. Percentiles are exact to 1 %, the maximum exactly. */
export class Histogram {
  readonly #counts = new Uint32Array(size);
  #total = 0;
  #max = 0;

  get total(): number {
    return this.#total;
  }

  add(ms: number): void {
    const bucket = ms <= smallestMs ? 0 : Math.min(size - 1, 1 + Math.floor(Math.log(ms / smallestMs) * perLogarithm));
    this.#counts[bucket]! += 1;
    this.#total += 1;
    if (ms > this.#max) this.#max = ms;
  }

  merge({ counts, max }: HistogramParts): void {
    for (const [bucket, count] of counts) {
      this.#counts[bucket]! += count;
      this.#total += count;
    }
    this.#max = Math.max(this.#max, max);
  }

  clear(): void {
    this.#counts.fill(0);
    this.#total = this.#max = 0;
  }

  /** Undefined while nothing was added. */
  percentiles(): Percentiles | undefined {
    if (this.#total === 0) return undefined;
    return { p50: this.#at(0.5), p99: this.#at(0.99), max: this.#max };
  }

  toJSON(): HistogramParts {
    const counts: [number, number][] = [];
    this.#counts.forEach((count, bucket) => {
      if (count > 0) counts.push([bucket, count]);
    });
    return { counts, max: this.#max };
  }

  /** The middle of the bucket in which the sample of this rank lies. */
  #at(rank: number): number {
    let before = 0;
    const wanted = Math.min(this.#total - 1, Math.floor(this.#total * rank));
    for (let bucket = 0; bucket < size; bucket += 1) {
      before += this.#counts[bucket]!;
      if (before > wanted) return Math.min(this.#max, smallestMs * Math.exp((bucket - 0.5) / perLogarithm));
    }
    return this.#max;
  }
}

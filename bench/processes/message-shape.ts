/** What the messages of a load look like. */
export interface Shape {
  /** Of the JSON body, about (within 16 bytes), 64 at least. */
  bodyBytes: number;
  /** Spread evenly over `bench-0`, `bench-1`, …; absent: all in `bench`. */
  topics?: number;
  /** Spread evenly over so many ordering keys; absent: none has one. */
  orderingKeys?: number;
  /** Of how many loads this is which, so that their numbers differ. */
  part?: { index: number; of: number };
}

/** What a body holds: when its transaction began (ms, see `preciseNow`), its number, and padding. */
export interface BenchBody {
  t: number;
  n: number;
  p: string;
}

/** Coprime to every count of keys that is used, so that neighbours in time have different keys. */
const keyStep = 7_919;

/** Makes the messages of one load, numbered. */
export class MessageShape {
  readonly #padding: string;
  #made = 0;

  constructor(private readonly shape: Shape) {
    this.#padding = 'x'.repeat(shape.bodyBytes - 48);
  }

  /** The number of the next message. */
  next(): number {
    const { index, of } = this.shape.part ?? { index: 0, of: 1 };
    const number = this.#made * of + index;
    this.#made += 1;
    return number;
  }

  message(n: number, t: number): { topic: string; orderingKey?: string; body: BenchBody } {
    const orderingKey = this.#orderingKey(n);
    return { topic: this.#topic(n), ...(orderingKey && { orderingKey }), body: { t, n, p: this.#padding } };
  }

  /** The same as JSON, without the cost of making it from an object. */
  text(n: number, t: number): string {
    const orderingKey = this.#orderingKey(n);
    const ordering = orderingKey === undefined ? '' : `"orderingKey":"${orderingKey}",`;
    return `{"topic":"${this.#topic(n)}",${ordering}"body":{"t":${t},"n":${n},"p":"${this.#padding}"}}`;
  }

  #topic(n: number): string {
    const { topics } = this.shape;
    return topics === undefined ? 'bench' : `bench-${n % topics}`;
  }

  #orderingKey(n: number): string | undefined {
    const { orderingKeys } = this.shape;
    return orderingKeys === undefined ? undefined : `key-${(n * keyStep) % orderingKeys}`;
  }
}

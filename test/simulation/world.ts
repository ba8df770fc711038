import { createHash } from 'node:crypto';
import type { Random } from './random.js';

/** Who an event belongs to: a node, a client, or the machinery of the simulation. */
export type Owner = string;

interface Event {
  at: number;
  order: number;
  owner: Owner;
  run: () => void;
  cancelled: boolean;
}

const drained = setImmediate;
const drain = (): Promise<void> => new Promise((resolve) => drained(resolve));

/** When every run begins, epoch ms. */
const epoch = 1_900_000_000_000;

/**
 * Time, timers and chance under one seed. Everything that happens is an event of an owner: its code and all the promises
 * that this settles run to their end before the next event. So one seed gives one order of things.
 *
 * Owners talk to each other by events only, so that every timer belongs to the owner whose event set it: events of a
 * dead owner are dropped, those of a stalled one wait.
 */
export class World {
  readonly #heap: Event[] = [];
  readonly #dead = new Set<Owner>();
  readonly #stalledUntil = new Map<Owner, number>();
  readonly #skewMs = new Map<Owner, number>();
  readonly #hash = createHash('sha256');
  #now = 0;
  #order = 0;
  #owner: Owner = 'world';
  /** Events that have run. */
  events = 0;

  /** @param onTrace told every line of the trace */
  constructor(
    readonly random: Random,
    private readonly onTrace?: (line: string) => void,
  ) {}

  /** True time, epoch ms: the store's clock. */
  get now(): number {
    return epoch + this.#now;
  }

  /** Milliseconds since the beginning. */
  get elapsedMs(): number {
    return this.#now;
  }

  /** Runs after `delayMs`, as the owner's event. Answers how to take it back. */
  after(delayMs: number, owner: Owner, run: () => void): () => void {
    const event = { at: this.#now + Math.max(0, delayMs), order: this.#order++, owner, run, cancelled: false };
    this.#push(event);
    return () => void (event.cancelled = true);
  }

  /** Does something as the owner: by its clock. */
  as<T>(owner: Owner, work: () => T): T {
    const before = this.#owner;
    this.#owner = owner;
    try {
      return work();
    } finally {
      this.#owner = before;
    }
  }

  /** Its clock shows so much more than the true time. */
  skew(owner: Owner, ms: number): void {
    this.#skewMs.set(owner, ms);
  }

  /** Nothing of the owner runs for so long; then everything at once. */
  stall(owner: Owner, forMs: number): void {
    this.#stalledUntil.set(owner, Math.max(this.#stalledUntil.get(owner) ?? 0, this.#now + forMs));
  }

  isStalled(owner: Owner): boolean {
    return (this.#stalledUntil.get(owner) ?? 0) > this.#now;
  }

  /** Nothing of the owner ever runs again. */
  kill(owner: Owner): void {
    this.#dead.add(owner);
  }

  isDead(owner: Owner): boolean {
    return this.#dead.has(owner);
  }

  trace(line: string): void {
    const stamped = `${this.#now.toFixed(1).padStart(9)} ${line}`;
    this.#hash.update(stamped);
    this.onTrace?.(stamped);
  }

  /** Of everything that was traced. */
  digest(): string {
    return this.#hash.copy().digest('hex').slice(0, 16);
  }

  /** Runs events until `done` says so after one, or none is left, or the time is over. Answers whether it was done. */
  async run(untilMs: number, done: () => boolean = () => false): Promise<boolean> {
    const restore = this.#takeOver();
    try {
      for (;;) {
        const event = this.#pop();
        if (event === undefined) return done();
        if (event.cancelled || this.#dead.has(event.owner)) continue;
        if (event.at > untilMs) {
          this.#push(event);
          this.#now = Math.max(this.#now, untilMs);
          return false;
        }
        const stalledUntil = this.#stalledUntil.get(event.owner) ?? 0;
        if (stalledUntil > event.at) {
          event.at = stalledUntil;
          this.#push(event);
          continue;
        }
        this.#now = Math.max(this.#now, event.at);
        this.#owner = event.owner;
        this.events += 1;
        event.run();
        await drain();
        if (done()) return true;
      }
    } finally {
      restore();
    }
  }

  #clock(): number {
    return epoch + this.#now + (this.#skewMs.get(this.#owner) ?? 0);
  }

  /** Puts the simulated clock, timers and chance in the place of the real ones; answers how to undo that. */
  #takeOver(): () => void {
    const { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate } = globalThis;
    const { now: dateNow } = Date;
    const { random } = Math;
    const performanceNow = Object.getOwnPropertyDescriptor(performance, 'now');
    const timeOrigin = Object.getOwnPropertyDescriptor(performance, 'timeOrigin');
    const set = (run: (...args: unknown[]) => void, delayMs = 0, ...args: unknown[]): SimulatedTimer => {
      // A timer of 0 ms takes 1 ms, as in Node.js.
      return new SimulatedTimer(this.after(Math.max(1, delayMs), this.#owner, () => run(...args)));
    };
    const immediately = (run: (...args: unknown[]) => void, ...args: unknown[]): SimulatedTimer =>
      new SimulatedTimer(this.after(0, this.#owner, () => run(...args)));
    const clear = (timer: unknown): void => {
      if (timer instanceof SimulatedTimer) timer.cancel();
    };
    const repeat = (): never => {
      throw new Error('the simulation has no setInterval');
    };
    Object.assign(globalThis, {
      setTimeout: set,
      clearTimeout: clear,
      setInterval: repeat,
      clearInterval: clear,
      setImmediate: immediately,
      clearImmediate: clear,
    });
    Date.now = () => this.#clock();
    Math.random = () => this.random.next();
    Object.defineProperty(performance, 'now', { configurable: true, writable: true, value: () => this.#now });
    Object.defineProperty(performance, 'timeOrigin', { configurable: true, get: () => this.#clock() - this.#now });
    return () => {
      Object.assign(globalThis, { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate });
      Date.now = dateNow;
      Math.random = random;
      if (performanceNow) Object.defineProperty(performance, 'now', performanceNow);
      else delete (performance as { now?: unknown }).now;
      if (timeOrigin) Object.defineProperty(performance, 'timeOrigin', timeOrigin);
      else delete (performance as { timeOrigin?: unknown }).timeOrigin;
    };
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(event);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = event;
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!isBefore(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
    return first;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** What `setTimeout` answers in the simulation. */
class SimulatedTimer {
  constructor(readonly cancel: () => void) {}

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }
}

import type { Clock } from '../message/clock.js';
import type { ClaimedCheck } from '../store/check-store.js';
import { ProducerLine } from './producer-line.js';
import type { Backoff } from './reachability.js';

export interface AskQueueBounds extends Backoff {
  /** Asks under way over all producers. */
  asksMax: number;
  /** Asks under way of one producer. */
  asksPerProducerMax: number;
  /** Checks of one producer that wait in memory. */
  waitingPerProducerMax: number;
}

/**
 * Decides which claimed check is asked next. Producers take turns, and none may hold more asks than are still free, so
 * that slow producers together never take the last one from the others.
 */
export class AskQueue {
  readonly #lines = new Map<string, ProducerLine>();
  /** Lines with something waiting, in the order of their turns. */
  readonly #turns = new Set<ProducerLine>();
  #asking = 0;
  #onIdle: (() => void)[] = [];

  /**
   * @param run asks one check and stores how it ended; must not throw
   * @param postpone gives claimed checks back, due again at that time; must not throw
   * @param onFree told when an ask has ended
   */
  constructor(
    private readonly bounds: AskQueueBounds,
    private readonly clock: Clock,
    private readonly run: (line: ProducerLine, check: ClaimedCheck) => Promise<void>,
    private readonly postpone: (checks: ClaimedCheck[], dueAt: number) => void,
    private readonly onFree: () => void = () => {},
  ) {}

  /** Asks that may still be started. */
  get free(): number {
    return this.bounds.asksMax - this.#asking;
  }

  /** What is remembered of a producer; a new line when nothing is. */
  line(producer: string): ProducerLine {
    let line = this.#lines.get(producer);
    if (!line) this.#lines.set(producer, (line = new ProducerLine(producer, this.bounds)));
    return line;
  }

  /** Until when the producer is backed off (epoch ms); 0 when it is not. */
  openUntil(producer: string): number {
    return this.#lines.get(producer)?.reachability.openUntil ?? 0;
  }

  /** Forgets producers about which there is nothing to remember, or that were not asked for long. */
  sweep(now: number): void {
    for (const [producer, line] of this.#lines) if (line.isForgettable(now)) this.#lines.delete(producer);
  }

  /** Ends the back-off of a producer that has had somebody to ask since then, unless an ask has failed later. */
  openSince(producer: string, since: number): void {
    const reachability = this.#lines.get(producer)?.reachability;
    if (reachability && since > reachability.failedAt) reachability.answered();
  }

  /** True while the producer's last ask on this node was not answered. */
  isUnreachable(producer: string): boolean {
    return this.#lines.get(producer)?.reachability.unreachable ?? false;
  }

  /** Takes claimed checks of one producer: asks now, keeps waiting, or postpones what is over the bound. */
  admit(producer: string, checks: ClaimedCheck[], askBefore: number, now: number): void {
    const line = this.line(producer);
    if (line.reachability.isOpen(now)) {
      this.postpone(checks, line.reachability.openUntil);
      return;
    }
    const places = Math.max(0, this.bounds.waitingPerProducerMax - line.waiting.length);
    for (const check of checks.slice(0, places)) line.waiting.push({ check, askBefore });
    const overflow = checks.slice(places);
    if (overflow.length > 0) {
      const dueAt = line.overflowDueAt(overflow.length, this.bounds.asksPerProducerMax, now, this.bounds);
      this.postpone(overflow, dueAt);
    }
    if (line.waiting.length > 0) this.#turns.add(line);
    this.#start();
  }

  /** Gives back what waits, due at once for other nodes. */
  giveBack(): void {
    for (const line of this.#turns) this.#postponeWaiting(line, this.clock.now());
    this.#turns.clear();
    this.#noteIdle();
  }

  /** Resolves when nothing waits and nothing is asked. */
  idle(): Promise<void> {
    if (this.#asking === 0 && this.#turns.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }

  #start(): void {
    let started = true;
    while (started) {
      started = false;
      for (const line of [...this.#turns]) {
        if (this.free === 0) return;
        if (this.#startOne(line)) started = true;
      }
    }
  }

  #startOne(line: ProducerLine): boolean {
    const now = this.clock.now();
    const share = Math.min(this.bounds.asksPerProducerMax, Math.max(1, this.free));
    if (!line.mayAsk(now, share)) return false;
    const next = line.waiting.shift();
    // Its next turn is after the others.
    this.#turns.delete(line);
    if (line.waiting.length > 0) this.#turns.add(line);
    if (!next) return false;
    if (now >= next.askBefore) this.postpone([next.check], now);
    else void this.#ask(line, next.check);
    return true;
  }

  async #ask(line: ProducerLine, check: ClaimedCheck): Promise<void> {
    const probe = line.reachability.unreachable;
    if (probe) line.probing = true;
    line.asking += 1;
    this.#asking += 1;
    await this.run(line, check);
    this.#asking -= 1;
    line.asking -= 1;
    if (probe) line.probing = false;
    if (line.reachability.isOpen(this.clock.now())) {
      this.#postponeWaiting(line, line.reachability.openUntil);
      this.#turns.delete(line);
    }
    this.#start();
    this.onFree();
    this.#noteIdle();
  }

  #postponeWaiting(line: ProducerLine, dueAt: number): void {
    const checks = line.waiting.splice(0).map(({ check }) => check);
    if (checks.length > 0) this.postpone(checks, dueAt);
  }

  #noteIdle(): void {
    if (this.#asking > 0 || this.#turns.size > 0) return;
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }
}

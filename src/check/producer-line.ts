import type { ClaimedCheck } from '../store/check-store.js';
import { Reachability, type Backoff } from './reachability.js';

/** A claimed check that waits for a free ask, and until when it may still be asked under its claim (epoch ms). */
export interface WaitingCheck {
  check: ClaimedCheck;
  askBefore: number;
}

/** Share of the newest latency in the running average. */
const latencyWeight = 0.2;

/** How long an unreachable producer that nobody asks is remembered. */
const rememberedMs = 10 * 60_000;

/** What one producer has to be asked on this node: the asks under way, those that wait, and whether it answers. */
export class ProducerLine {
  readonly reachability: Reachability;
  readonly waiting: WaitingCheck[] = [];
  asking = 0;
  /** Asks that somebody waits for, beside the line: they are not bounded here, but end in what is remembered. */
  askingNow = 0;
  /** An unreachable producer is asked one thing at a time. */
  probing = false;
  #latencyMs = 100;
  #overflowUntil = 0;

  constructor(
    readonly producer: string,
    backoff: Backoff,
  ) {
    this.reachability = new Reachability(backoff);
  }

  /** Whether one more may be asked now. */
  mayAsk(now: number, asksMax: number): boolean {
    if (this.asking >= asksMax || this.reachability.isOpen(now)) return false;
    return !this.reachability.unreachable || !this.probing;
  }

  /** True when nothing about this producer needs to be remembered. */
  isForgettable(now: number): boolean {
    if (this.asking > 0 || this.askingNow > 0 || this.waiting.length > 0 || now < this.#overflowUntil) return false;
    return !this.reachability.unreachable || now - this.reachability.openUntil > rememberedMs;
  }

  tookMs(latencyMs: number): void {
    this.#latencyMs += latencyWeight * (latencyMs - this.#latencyMs);
  }

  /**
   * When checks that find no place in line should be due again: after those before them, by the pace of the last
   * answers, so that a long queue of a slow producer is not claimed and postponed all over again every second.
   */
  overflowDueAt(count: number, asksMax: number, now: number, backoff: Backoff): number {
    const from = Math.max(now, this.#overflowUntil);
    const dueAt = Math.max(now + backoff.backoffMs, from);
    this.#overflowUntil = Math.min(now + backoff.backoffMsMax, from + (count * this.#latencyMs) / asksMax);
    return Math.round(Math.min(dueAt, now + backoff.backoffMsMax));
  }
}

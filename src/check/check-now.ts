import { setTimeout as wait } from 'node:timers/promises';
import { Problem } from '../message/problem.js';
import type { ClaimedCheck } from '../store/check-store.js';
import type { LookupStore } from '../store/lookup-store.js';
import type { AskQueue } from './ask-queue.js';
import type { CheckAsking, CheckAskingParts } from './check-asking.js';
import type { ProducerDirectory } from './producer-directory.js';

/** How often a transaction that another holds is looked at again. */
const heldElsewherePollMs = 100;

/** Asks about one transaction because somebody wants to know now. */
export class CheckNow {
  #asking = 0;

  constructor(
    private readonly parts: CheckAskingParts & { lookup: LookupStore },
    private readonly asking: CheckAsking,
    private readonly producers: ProducerDirectory,
    private readonly queue: AskQueue,
  ) {}

  /**
   * Asks at once, prepared or parked, backed off or not, and resolves when the answer, or its absence, is stored. Where
   * another caller or node is asking just now, waits for that ask. Asks nothing about a final or an unknown transaction.
   * `overloaded` when too many are asked so.
   */
  async check(transactionId: string): Promise<void> {
    if (this.#asking >= this.parts.settings.checkNowMax) {
      throw new Problem('overloaded', 'too many transactions are being checked', { retryAfterMs: 1_000 });
    }
    this.#asking += 1;
    try {
      await this.#ask(transactionId);
    } finally {
      this.#asking -= 1;
    }
  }

  async #askOne(check: ClaimedCheck): Promise<void> {
    const askable = await this.producers.find(check.producer);
    const line = this.queue.line(check.producer);
    line.askingNow += 1;
    try {
      await this.asking.ask(check, askable, line.reachability);
    } finally {
      line.askingNow -= 1;
    }
  }

  async #ask(transactionId: string): Promise<void> {
    const { store, clock, settings, lookup } = this.parts;
    const giveUpAt = performance.now() + settings.checkTimeoutMs + 1_000;
    while (performance.now() < giveUpAt) {
      const check = await store.claimOne(transactionId, clock.now(), settings.leaseMs);
      if (check) return this.#askOne(check);
      const view = await lookup.getTransaction(transactionId, false);
      if (!view || view.state === 'committed' || view.state === 'rolled_back') return;
      await wait(heldElsewherePollMs);
    }
  }
}

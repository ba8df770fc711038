import type { Clock } from '../message/clock.js';
import { reached } from '../message/step.js';
import type { BackgroundService } from '../runtime/background-service.js';
import { Loop } from '../runtime/loop.js';
import type { CatalogStore, Producer } from '../store/catalog-store.js';
import type { ClaimedCheck } from '../store/check-store.js';
import type { LookupStore } from '../store/lookup-store.js';
import { AskQueue } from './ask-queue.js';
import { CheckAsking, type CheckAskingParts } from './check-asking.js';
import { CheckNow } from './check-now.js';
import type { ProducerAsker } from './producer-asker.js';
import { ProducerDirectory } from './producer-directory.js';
import type { ProducerLine } from './producer-line.js';

export interface CheckBackParts extends CheckAskingParts {
  catalog: CatalogStore;
  lookup: LookupStore;
  /** Ways to ask, the preferred one first. */
  askers: readonly ProducerAsker[];
  clock: Clock;
}

/**
 * Asks silent producers how their transactions ended. Any node runs it; a claim keeps two from asking about the same
 * transaction at once. Producers that don't answer are backed off, and what is due of them is postponed in bulk without
 * being asked; it burns no check.
 */
export class CheckBack implements BackgroundService {
  readonly #asking: CheckAsking;
  readonly #queue: AskQueue;
  readonly #loop: Loop;
  readonly #producers: ProducerDirectory;
  readonly #now: CheckNow;
  readonly #postponing = new Set<Promise<void>>();
  /** The last claim found no free ask. */
  #short = false;

  constructor(private readonly parts: CheckBackParts) {
    const { settings, clock, logger } = parts;
    this.#asking = new CheckAsking(parts);
    this.#queue = new AskQueue(
      settings,
      clock,
      (line, check) => this.#run(line, check),
      (checks, dueAt) => this.#postpone(checks, dueAt),
      () => this.#wakeWhenShort(),
    );
    this.#producers = new ProducerDirectory(parts.catalog, parts.askers, settings.producerCacheMs);
    this.#now = new CheckNow(parts, this.#asking, this.#producers, this.#queue);
    this.#loop = new Loop((now) => this.#claim(now), {
      name: 'check-back',
      intervalMs: settings.pollMs,
      retryMsMax: 5_000,
      clock,
      logger,
    });
  }

  start(): void {
    this.#loop.start();
  }

  /** Claims nothing more, gives back what waits, and ends after the asks under way (bounded by the time of one ask). */
  async stop(): Promise<void> {
    await this.#loop.stop();
    this.#queue.giveBack();
    await this.#settled();
  }

  /** Asks about everything that is due at `now`, and ends when all of it was asked or postponed. */
  async runOnce(now: number): Promise<void> {
    let more = true;
    while (more) {
      more = await this.#claim(now);
      if (this.#queue.free > 0) continue;
      await this.#queue.idle();
      more = true;
    }
    await this.#settled();
  }

  /** Asks about one transaction at once: see {@link CheckNow.check}. */
  checkNow(transactionId: string): Promise<void> {
    return this.#now.check(transactionId);
  }

  /** Names of those of the producers that can be asked: there is a way, and the last ask of this node was answered. */
  async reachable(producers: readonly Producer[]): Promise<Set<string>> {
    const reachable = new Set<string>();
    const ofAsker = new Map<ProducerAsker, string[]>();
    for (const producer of producers) {
      const asker = this.parts.askers.find((each) => each.canAsk(producer));
      if (asker) ofAsker.set(asker, [...(ofAsker.get(asker) ?? []), producer.name]);
    }
    for (const [asker, names] of ofAsker) {
      const since = await asker.openSince?.(names);
      for (const name of names) {
        const openSince = since?.get(name);
        if (openSince !== undefined) this.#queue.openSince(name, openSince);
        else if (since) continue;
        if (!this.#queue.isUnreachable(name)) reachable.add(name);
      }
    }
    return reachable;
  }

  /**
   * To be called when there is somebody new to ask for a producer: what was put off for want of one (up to `reviveMax`) is
   * asked within a poll.
   */
  async revive(producer: string): Promise<void> {
    const { store, settings, clock } = this.parts;
    const now = clock.now();
    this.forget(producer);
    this.#queue.openSince(producer, now);
    const { backoffMsMax, reviveMax } = settings;
    if ((await store.makeDue(producer, now, now + backoffMsMax + 1, reviveMax)) > 0) this.#loop.wake();
  }

  /** To be called when a producer was changed or deleted: its next ask uses the new row. */
  forget(producer: string): void {
    this.#producers.forget(producer);
  }

  async #claim(now: number): Promise<boolean> {
    this.#queue.sweep(now);
    this.#short = this.#queue.free === 0;
    if (this.#short) return false;
    const { store, settings } = this.parts;
    const checks = await store.claimDue(now, settings.leaseMs, settings.claimMax);
    reached('check.claimed', checks.length);
    const groups = byProducer(checks);
    await Promise.all([...groups].map(([producer, group]) => this.#place(producer, group, now)));
    return checks.length >= settings.claimMax;
  }

  async #place(name: string, checks: ClaimedCheck[], now: number): Promise<void> {
    const { settings } = this.parts;
    const { asker } = await this.#producers.find(name);
    if (asker?.openSince && this.#queue.openUntil(name) > now) {
      // It may have come back at another node.
      this.#queue.openSince(name, (await asker.openSince([name])).get(name) ?? 0);
    }
    const openUntil = asker ? this.#queue.openUntil(name) : now + settings.backoffMsMax;
    if (openUntil <= now) {
      // An ask and what is stored of it must end under the claim.
      const askBefore = now + settings.leaseMs - settings.checkTimeoutMs - 1_000;
      this.#queue.admit(name, checks, askBefore, now);
      return;
    }
    const [tooOld, rest] = split(checks, (check) => this.#asking.isTooOld(check, now));
    const why = asker ? 'the producer is unreachable' : 'the producer has no way to be asked';
    if (rest.length > 0) this.#postpone(rest, openUntil);
    for (const check of tooOld) await this.#asking.park(check, why);
  }

  /** Never throws: what the store could not take is claimed again when the lease ends. */
  async #run(line: ProducerLine, check: ClaimedCheck): Promise<void> {
    const startedAt = performance.now();
    try {
      await this.#asking.ask(check, await this.#producers.find(check.producer), line.reachability);
    } catch (error) {
      this.parts.logger.warn({ err: error, transactionId: check.transactionId }, 'a check-back could not be stored');
    }
    line.tookMs(performance.now() - startedAt);
  }

  #postpone(checks: ClaimedCheck[], dueAt: number): void {
    const stored = this.parts.store
      .postpone(checks, dueAt)
      .then(() => reached('check.postponed'))
      // Their claims lapse by themselves.
      .catch((error: unknown) => this.parts.logger.warn({ err: error }, 'checks could not be postponed'))
      .finally(() => this.#postponing.delete(stored));
    this.#postponing.add(stored);
  }

  async #settled(): Promise<void> {
    await this.#queue.idle();
    await Promise.all(this.#postponing);
  }

  #wakeWhenShort(): void {
    if (this.#short) this.#loop.wake();
  }
}

function byProducer(checks: ClaimedCheck[]): Map<string, ClaimedCheck[]> {
  const groups = new Map<string, ClaimedCheck[]>();
  for (const check of checks) {
    const group = groups.get(check.producer);
    if (group) group.push(check);
    else groups.set(check.producer, [check]);
  }
  return groups;
}

function split<Item>(items: Item[], test: (item: Item) => boolean): [yes: Item[], no: Item[]] {
  const yes: Item[] = [];
  const no: Item[] = [];
  for (const item of items) (test(item) ? yes : no).push(item);
  return [yes, no];
}

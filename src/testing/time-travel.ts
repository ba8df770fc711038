import type { RunningNode } from '../server/node.js';
import type { MessageStore } from '../store/message-store.js';
import { Activity } from './activity.js';
import { nextDueAt, type OpenWork, type OpenWorkList } from './open-work.js';

/** Times at which something is due that one journey stops at. */
const stopsMax = 1_000;
/** Real time without any event after which a consumer is not waited for any more. */
const stalledMs = 1_000;

/** Not everything was over in time. */
export class NotSettled extends Error {
  /** @param waitingFor what is still under way, in words */
  constructor(
    readonly waitingFor: readonly string[],
    timeoutMs: number,
  ) {
    super(`within ${timeoutMs} ms these did not end:\n${waitingFor.map((text) => `- ${text}`).join('\n')}`);
    this.name = 'NotSettled';
  }
}

/** Runs a broker's background work at times that a test sets, and tells when all of it is over. */
export class TimeTravel {
  readonly #activity: Activity;

  constructor(
    private readonly node: RunningNode,
    private readonly store: MessageStore,
    private readonly work: OpenWorkList,
  ) {
    this.#activity = new Activity(node);
  }

  /** See {@link TestingClock.advance}. */
  async to(target: number, moveTo: (time: number) => void): Promise<void> {
    const { clock } = this.node.broker;
    const ignored = new Set<string | undefined>();
    // What can be done now is done at the time that it is now.
    await this.#happen(ignored);
    for (let stop = 0; stop < stopsMax; stop += 1) {
      const dueAt = await nextDueAt(this.node, this.store);
      if (dueAt > target) break;
      moveTo(Math.max(dueAt, clock.now() + Math.min(stop, 1)));
      await this.#happen(ignored);
      if (clock.now() >= target) break;
    }
    moveTo(target);
    await this.#happen(ignored);
    while (await this.node.broker.retention.runOnce(clock.now()));
  }

  /** Resolves when nothing is under way; rejects with `NotSettled` after the time. */
  async settled(timeoutMs: number): Promise<void> {
    let over = false;
    let open: readonly OpenWork[] = [];
    let asking = false;
    const settle = async (): Promise<void> => {
      // Twice in a row: between two looks something may be on its way from one part to the next.
      for (let clean = 0; clean < 2 && !over;) {
        asking = true;
        await this.#runDue();
        asking = false;
        open = await this.work.read();
        clean = open.length === 0 ? clean + 1 : 0;
        if (clean === 0) await this.#activity.next();
        else await new Promise(setImmediate);
      }
    };
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const texts = open.map(({ text }) => text);
        reject(new NotSettled(asking && texts.length === 0 ? ['producers that are being asked'] : texts, timeoutMs));
      }, timeoutMs);
    });
    try {
      await Promise.race([settle(), timeout]);
    } finally {
      over = true;
      clearTimeout(timer);
    }
  }

  end(): void {
    this.#activity.end();
  }

  /**
   * Does what is due now, and gives what follows from it the time to happen. Consumers that do nothing are ignored from
   * then on, until they do something.
   */
  async #happen(ignored: Set<string | undefined>): Promise<void> {
    this.#activity.restart();
    await this.#runDue();
    const since = performance.now();
    for (;;) {
      for (const subscription of this.#activity.moved) ignored.delete(subscription);
      const open = (await this.work.read()).filter(({ subscription }) => !ignored.has(subscription));
      if (open.length === 0) return;
      if (Math.min(this.#activity.idleMs, performance.now() - since) > stalledMs) {
        for (const { subscription } of open) ignored.add(subscription);
        return;
      }
      await this.#activity.next();
    }
  }

  async #runDue(): Promise<void> {
    const { relay, schedule, checks, clock } = this.node.broker;
    // A consumer would have asked again and again meanwhile: its ephemeral subscription is not idle.
    for (const owned of relay.allOwned()) owned.markUsed(clock.now());
    await relay.runOnce(clock.now());
    while (await schedule.runOnce(clock.now()));
    await checks.runOnce(clock.now());
  }
}

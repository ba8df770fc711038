import type { RunningNode } from '../server/node.js';

/** Something may go on without an event that tells of it: it is looked again after so long. */
const lookAgainMs = 20;

/** Hears of everything that happens in a broker. */
export class Activity {
  /** Subscriptions (`topic/group`) of which something was given out or settled since the restart. */
  readonly moved = new Set<string>();
  readonly #unlisten: (() => void)[];
  #happened: () => void = () => {};
  #lastAt = performance.now();

  constructor({ broker, caller }: RunningNode) {
    const { events } = broker.relay;
    const heard = (): void => {
      this.#lastAt = performance.now();
      this.#happened();
    };
    const movedOn = ({ topic, group }: { topic: string; group: string }): void => {
      this.moved.add(`${topic}/${group}`);
      heard();
    };
    this.#unlisten = [
      events.on('given', movedOn),
      events.on('settled', movedOn),
      events.on('claimed', heard),
      events.on('released', heard),
      caller.events.on('ended', heard),
    ];
  }

  /** Real milliseconds since the last event. */
  get idleMs(): number {
    return performance.now() - this.#lastAt;
  }

  /** Begins anew. */
  restart(): void {
    this.moved.clear();
    this.#lastAt = performance.now();
  }

  /** Resolves at the next event, or a little later without one. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, lookAgainMs);
      this.#happened = () => {
        clearTimeout(timer);
        // In a turn of its own: an event comes in the middle of what it tells of.
        setImmediate(resolve);
      };
    });
  }

  end(): void {
    for (const unlisten of this.#unlisten) unlisten();
  }
}

import type { WakeChannel } from './wake-channel.js';
import { nameOf } from './rendezvous.js';

/** What happens within this time is told in one go. */
const gatherMs = 5;
/** Topics and subscriptions of one message. */
const namesMax = 1_000;

/** Tells the other nodes what was appended and changed here, gathered over a few milliseconds. */
export class WakeOut {
  #topics = new Set<string>();
  #subscriptions = new Map<string, { topic: string; group: string }>();
  #timer: NodeJS.Timeout | undefined;

  /** @param others whether there are other nodes to tell */
  constructor(
    private readonly channel: WakeChannel | undefined,
    private readonly others: () => boolean,
  ) {}

  topic(topic: string): void {
    if (this.channel === undefined || !this.others()) return;
    this.#topics.add(topic);
    this.#schedule();
  }

  subscription(topic: string, group: string): void {
    if (this.channel === undefined || !this.others()) return;
    this.#subscriptions.set(nameOf({ topic, group }), { topic, group });
    this.#schedule();
  }

  /** Tells what is gathered, and nothing more. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#tell();
  }

  #schedule(): void {
    if (this.#topics.size + this.#subscriptions.size >= namesMax) this.#tell();
    else this.#timer ??= setTimeout(() => this.#tell(), gatherMs);
  }

  #tell(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#topics.size + this.#subscriptions.size === 0) return;
    const wake = { topics: [...this.#topics], subscriptions: [...this.#subscriptions.values()] };
    this.#topics = new Set();
    this.#subscriptions = new Map();
    this.channel?.publish(wake);
  }
}

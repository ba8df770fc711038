import { setTimeout as wait } from 'node:timers/promises';
import type { HalfboxClient } from '../broker/halfbox-client.js';
import type { Delivery } from '../contract.js';
import { BrokerRefused } from '../errors.js';
import { retryWaitMs } from './subscribe.js';

/** A call that waits for messages when the consumer stops may still bring some that are on their way. */
const lastCallMs = 250;

/** Of the visibility time: when a call waits longer, what it brings would count as expired when it comes. */
const waitedMax = 2 / 3;

export interface ReceiverParts {
  client: HalfboxClient;
  topic: string;
  group: string;
  visibilityMs: number;
  waitMs: number;
  /** How many messages to ask for now; 0: none until {@link Receiver.wake}. */
  room: () => number;
  /** @param askedAt when the call began (monotonic clock): no earlier did the broker give them out */
  took: (deliveries: Delivery[], askedAt: number) => void;
  /** The subscription has gone: makes it again. */
  subscribe: () => Promise<void>;
  failed: (error: Error, during: 'receive' | 'subscribe') => void;
  /** The first call that went well after one that failed. */
  recovered: () => void;
}

/** Asks for messages, one call at a time, as long as there is room for them. Tries again for ever while no broker answers. */
export class Receiver {
  readonly #ending = new AbortController();
  #stopping = false;
  #wake: () => void = () => undefined;
  #looping: Promise<void> | undefined;

  constructor(private readonly parts: ReceiverParts) {}

  start(): void {
    if (!this.#stopping) this.#looping = this.#loop();
  }

  /** There may be room again. */
  wake(): void {
    this.#wake();
  }

  /** Takes what the call under way brings within a moment, and ends it then. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#wake();
    const timer = setTimeout(() => this.#ending.abort(), lastCallMs);
    await this.#looping;
    clearTimeout(timer);
  }

  async #loop(): Promise<void> {
    const { client, topic, group, visibilityMs, room, took, failed, recovered } = this.parts;
    const waitMs = Math.min(this.parts.waitMs, Math.floor(visibilityMs * waitedMax));
    const bounds = { timeoutMs: waitMs + 15_000, signal: this.#ending.signal };
    let failures = 0;
    while (!this.#stopping) {
      const max = room();
      if (max <= 0) {
        await new Promise<void>((resolve) => (this.#wake = resolve));
        continue;
      }
      try {
        const askedAt = performance.now();
        const { deliveries } = await client.receive(topic, group, { max, visibilityMs, waitMs }, bounds);
        took(deliveries, askedAt);
        if (failures > 0) recovered();
        failures = 0;
      } catch (error) {
        if (this.#stopping) return;
        failures += 1;
        if (failures === 1) failed(error as Error, 'receive');
        await this.#recover(error, failures);
      }
    }
  }

  async #recover(error: unknown, failures: number): Promise<void> {
    if (error instanceof BrokerRefused && error.code === 'subscription-not-found') {
      await this.parts.subscribe().catch((reason: unknown) => {
        if (!this.#stopping) this.parts.failed(reason as Error, 'subscribe');
      });
    }
    // A stop ends the wait.
    await wait(retryWaitMs(failures, error), undefined, { signal: this.#ending.signal }).catch(() => undefined);
  }
}

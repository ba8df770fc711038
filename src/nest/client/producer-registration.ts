import { refusal } from '../../client/broker/halfbox-client.js';
import type { Caller } from '../../client/index.js';
import { systemClock } from '../../message/clock.js';
import type { Logger } from '../../runtime/logger.js';
import { Loop } from '../../runtime/loop.js';

/** How a producer is to be asked, as brokers take it. */
export type CheckBackWay = { type: 'http'; url: string } | { type: 'microservice'; transport: string; pattern: string };

/** Registered anew so often, so that a secret that was rotated, or a producer that was deleted, does not stay so. */
const intervalMs = 10 * 60_000;
/** Wait before a look at a secret that seems to be another one. */
const lookMs = 5_000;
const callMs = 10_000;

/** Fields of a producer that others may have set, and that stay as they are. */
const kept = ['firstCheckAfterMs', 'checkIntervalMs', 'checkMax'] as const;

/** Tells the brokers how to ask a producer, again and again until one has taken it, and learns its signing secret. */
export class ProducerRegistration {
  readonly #loop: Loop;
  #secret: string | undefined;

  constructor(
    private readonly caller: Caller,
    private readonly producer: string,
    private readonly way: CheckBackWay,
    logger: Logger,
  ) {
    const run = async (): Promise<boolean> => {
      await this.#register();
      return false;
    };
    const clock = systemClock;
    this.#loop = new Loop(run, { name: `registration of ${producer}`, intervalMs, retryMs: 500, clock, logger });
  }

  /** Undefined before the first registration, and for ways that are not signed. */
  get secret(): string | undefined {
    return this.#secret;
  }

  start(): void {
    this.#loop.start();
  }

  /** The secret may be another one by now. */
  look(): void {
    this.#loop.wake(lookMs);
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  async #register(): Promise<void> {
    const path = `/v1/producers/${encodeURIComponent(this.producer)}`;
    const found = await this.caller.call({ method: 'GET', path, timeoutMs: callMs });
    if (found.status !== 200 && found.status !== 404) throw refusal(found);
    const present = found.status === 200 ? (JSON.parse(found.text) as Record<string, unknown>) : {};
    const body: Record<string, unknown> = { checkBack: this.way };
    for (const name of kept) if (present[name] !== undefined) body[name] = present[name];
    const answer = await this.caller.call({ method: 'PUT', path, body, timeoutMs: callMs });
    if (answer.status !== 200) throw refusal(answer);
    this.#secret = (JSON.parse(answer.text) as { secret?: string }).secret;
  }
}

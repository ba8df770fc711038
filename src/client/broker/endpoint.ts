import type { Nodes } from '../contract.js';
import type { BrokerUnreachable } from '../errors.js';
import type { Call, CallAnswer } from './caller.js';
import { HttpCaller, type HttpCallerOptions } from './http-caller.js';

/** For how long a failing endpoint is avoided: doubled from the least to the most. */
export interface AvoidBounds {
  avoidMsMin: number;
  avoidMsMax: number;
}

/** Answers by which a broker says that another one should be asked. */
const failing = new Set([421, 503]);

/** Bound of asking an endpoint for its store. */
const lookTimeoutMs = 5_000;

/** What was found out about the store behind an endpoint. `unknown`: not asked yet, or it has failed since. */
export type Standing = 'unknown' | 'ours' | 'refused';

/** One broker's URL: how it has been answering, and whose store it serves. Times are by `performance.now()`. */
export class Endpoint {
  standing: Standing = 'unknown';
  storeId: string | undefined;
  inFlight = 0;
  /** Calls avoid it until then, and until it has answered again. */
  avoidedUntil = 0;
  #failures = 0;
  #failedAt = -Infinity;
  /** A look that is under way. */
  #look: Promise<Nodes | undefined> | undefined;
  readonly #caller: HttpCaller;

  /** @param isSeed it was configured, and stays whatever the brokers say */
  constructor(
    options: HttpCallerOptions,
    readonly isSeed: boolean,
    private readonly bounds: AvoidBounds,
  ) {
    this.url = options.url;
    this.#caller = new HttpCaller(options);
  }

  readonly url: string;

  get isAvoided(): boolean {
    return this.#failures > 0;
  }

  /** Makes the call and remembers how it went. Rejects with `BrokerUnreachable`. */
  async call(call: Call): Promise<CallAnswer> {
    const startedAt = performance.now();
    this.inFlight += 1;
    try {
      const answer = await this.#caller.call(call);
      if (failing.has(answer.status)) this.#failed(startedAt);
      else this.#failures = startedAt > this.#failedAt ? 0 : this.#failures;
      return answer;
    } catch (error) {
      // A caller that gave up says nothing about the broker.
      if (!call.signal?.aborted) this.#failed(startedAt);
      throw error as BrokerUnreachable;
    } finally {
      this.inFlight -= 1;
    }
  }

  /** Asks for its store and the store's brokers, one look at a time; undefined when it did not say. */
  look(signal: AbortSignal): Promise<Nodes | undefined> {
    this.#look ??= this.#nodes(signal).finally(() => (this.#look = undefined));
    return this.#look;
  }

  close(): Promise<void> {
    return this.#caller.close();
  }

  async #nodes(signal: AbortSignal): Promise<Nodes | undefined> {
    try {
      const answer = await this.call({ method: 'GET', path: '/v1/nodes', timeoutMs: lookTimeoutMs, signal });
      return answer.status === 200 ? nodesOf(JSON.parse(answer.text)) : undefined;
    } catch {
      return undefined; // counted as a failure, or something else than a broker answered
    }
  }

  #failed(startedAt: number): void {
    // Calls that failed together are one failure.
    if (startedAt <= this.#failedAt) return;
    this.#failedAt = performance.now();
    this.#failures += 1;
    const { avoidMsMin, avoidMsMax } = this.bounds;
    this.avoidedUntil = this.#failedAt + Math.min(avoidMsMax, avoidMsMin * 2 ** (this.#failures - 1));
    // Somebody else may answer there when it is back.
    if (this.standing === 'ours') this.standing = 'unknown';
  }
}

/** The list of live brokers; undefined for what is none. */
function nodesOf(answer: unknown): Nodes | undefined {
  const { storeId, items } = (answer ?? {}) as { storeId?: unknown; items?: unknown };
  if (typeof storeId !== 'string' || !Array.isArray(items)) return undefined;
  const isList = items.every((item) => typeof (item as { url?: unknown } | null)?.url === 'string');
  return isList ? (answer as Nodes) : undefined;
}

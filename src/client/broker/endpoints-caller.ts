import type { Nodes } from '../contract.js';
import { BrokerUnreachable } from '../errors.js';
import { silentLogger, type Logger } from '../../runtime/logger.js';
import type { Call, CallAnswer, Caller } from './caller.js';
import { Endpoint } from './endpoint.js';
import { foundOrigins, givenOrigins } from './endpoint-urls.js';
import { leastLoaded } from './least-loaded.js';

export interface EndpointsCallerOptions {
  /** URLs of brokers of one store: `['http://10.0.0.1:3900', 'http://10.0.0.2:3900']`. One is enough; the others are found. */
  endpoints: readonly string[];
  /** Sent to each of them as `Authorization: Bearer …`. */
  apiKey?: string | undefined;
  /** Connections to one broker at most; calls beyond them wait. Default 64. */
  connectionsMax?: number | undefined;
  /** Bound of opening a connection. Default 2,000. */
  connectTimeoutMs?: number | undefined;
  /** Largest answer of a broker that is read. Default 512 MiB. */
  answerBytesMax?: number | undefined;
  /** False: only the given endpoints are called, such as a load balancer. Default true. */
  refreshNodes?: boolean | undefined;
  /** How often the brokers are asked who is live, while there are calls. Default 30,000. */
  refreshIntervalMs?: number | undefined;
  /** A failing endpoint is avoided for so long at first; doubled with each failure. Default 100. */
  avoidMsMin?: number | undefined;
  /** The longest such time. Default 30,000. */
  avoidMsMax?: number | undefined;
  /** Told of endpoints that are refused. Default: nothing is logged. */
  logger?: Logger | undefined;
}

/** When nobody said who is live, the question is asked again after so long. */
const refreshAgainMs = 1_000;

/**
 * Calls the brokers of one store: the given endpoints, and the live ones that `GET /v1/nodes` names. Each call is one try
 * on the endpoint with the fewest calls in flight. An endpoint that does not answer, or answers 503 or 421, is avoided
 * for a growing time and then asked by one look in the background before it gets calls again; while all are avoided, the
 * one whose time ends first is called. Endpoints of another store than the first one that answered are refused. Brokers
 * that are found over HTTP are not called where all given endpoints are HTTPS, since the API key goes along.
 */
export class EndpointsCaller implements Caller {
  readonly #given: readonly string[];
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #logger: Logger;
  readonly #closing = new AbortController();
  #storeId: string | undefined;
  #refreshDueAt = 0;
  #refreshing: Promise<void> | undefined;
  #turn = 0;

  /** Throws `TypeError` for an endpoint that is not an HTTP URL without a path, or where there is none. */
  constructor(private readonly options: EndpointsCallerOptions) {
    this.#given = givenOrigins(options.endpoints);
    for (const origin of this.#given) this.#add(origin, true);
    this.#logger = options.logger ?? silentLogger;
  }

  /** Where a call may go now, the given ones first: those that answer, else all that are not refused. */
  get endpoints(): string[] {
    const well = this.#well();
    return (well.length > 0 ? well : this.#fallbacks()).map(({ url }) => url);
  }

  /** For what goes to the same brokers by another way than a call. */
  get apiKey(): string | undefined {
    return this.options.apiKey;
  }

  async call(call: Call): Promise<CallAnswer> {
    const endpoint = this.#choose(call.avoid);
    if (!endpoint) {
      const reason = new Error(`no endpoint is of store ${this.#storeId}`);
      throw new BrokerUnreachable(this.#given.join(', '), false, reason);
    }
    const answering = endpoint.call(call);
    this.#keepFresh();
    return answering;
  }

  /** Finishes the calls under way and ends the connections. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#refreshing;
    await Promise.all([...this.#endpoints.values()].map((endpoint) => endpoint.close()));
  }

  #choose(avoid: string | undefined): Endpoint | undefined {
    const well = this.#well();
    const others = well.filter(({ url }) => url !== avoid);
    const candidates = others.length > 0 ? others : well;
    const known = candidates.filter(({ standing }) => standing === 'ours');
    if (known.length > 0) return leastLoaded(known, (this.#turn += 1));
    // Before the store is known, calls go to one endpoint, so that they do not go to two stores.
    return candidates[0] ?? this.#fallbacks().sort((a, b) => a.avoidedUntil - b.avoidedUntil)[0];
  }

  /** Those that answer and may be called. */
  #well(): Endpoint[] {
    return [...this.#endpoints.values()].filter(({ isAvoided, standing }) => {
      return !isAvoided && (standing === 'ours' || (standing === 'unknown' && this.#storeId === undefined));
    });
  }

  /** Those that may be called when none answers. */
  #fallbacks(): Endpoint[] {
    return [...this.#endpoints.values()].filter(({ standing, storeId }) => {
      return standing !== 'refused' && (this.#storeId === undefined || storeId === this.#storeId);
    });
  }

  /** Looks in the background at who is live, and at endpoints whose time of being avoided is over. */
  #keepFresh(): void {
    if (this.#closing.signal.aborted) return;
    const now = performance.now();
    if (now >= this.#refreshDueAt) {
      this.#refreshing ??= this.#refresh().finally(() => (this.#refreshing = undefined));
      return;
    }
    if (this.#refreshing) return;
    for (const endpoint of this.#endpoints.values()) {
      if (endpoint.standing === 'unknown' && now >= endpoint.avoidedUntil) void this.#look(endpoint);
    }
  }

  async #refresh(): Promise<void> {
    const { refreshIntervalMs = 30_000, refreshNodes = true } = this.options;
    const nodes = await this.#firstAnswer();
    this.#refreshDueAt = performance.now() + (nodes ? refreshIntervalMs : refreshAgainMs);
    if (nodes && refreshNodes) this.#take(nodes);
    const unsure = this.#reachable().filter(({ standing }) => standing !== 'ours');
    await Promise.all(unsure.map((endpoint) => this.#look(endpoint)));
  }

  #reachable(): Endpoint[] {
    const now = performance.now();
    return [...this.#endpoints.values()].filter(({ avoidedUntil }) => avoidedUntil <= now);
  }

  /** What the first endpoint of our store says; in their order, so that the first one given says which store that is. */
  async #firstAnswer(): Promise<Nodes | undefined> {
    for (const endpoint of this.#reachable()) {
      const nodes = await this.#look(endpoint);
      if (nodes && nodes.storeId === this.#storeId) return nodes;
    }
    return undefined;
  }

  async #look(endpoint: Endpoint): Promise<Nodes | undefined> {
    const nodes = await endpoint.look(this.#closing.signal);
    if (nodes) this.#judge(endpoint, nodes.storeId);
    // It answers, and does not tell its store: what it refuses is told to the callers.
    else if (!endpoint.isAvoided && endpoint.standing === 'unknown') endpoint.standing = 'ours';
    return nodes;
  }

  #judge(endpoint: Endpoint, storeId: string): void {
    this.#storeId ??= storeId;
    endpoint.storeId = storeId;
    const standing = storeId === this.#storeId ? 'ours' : 'refused';
    if (standing === 'refused' && endpoint.standing !== 'refused') {
      const fields = { endpoint: endpoint.url, storeId, expectedStoreId: this.#storeId };
      this.#logger.warn(fields, 'an endpoint belongs to another store and is not used');
    }
    endpoint.standing = standing;
    if (standing === 'refused') this.#adoptWhereAllAreRefused();
  }

  /** Where every given endpoint serves another store now, ours was replaced by the one that the first of them serves. */
  #adoptWhereAllAreRefused(): void {
    const all = [...this.#endpoints.values()];
    if (all.some(({ isSeed, standing }) => isSeed && standing !== 'refused')) return;
    const { storeId } = all[0]!;
    this.#logger.warn({ storeId, formerStoreId: this.#storeId }, 'all endpoints belong to another store now');
    this.#storeId = storeId;
    for (const endpoint of all) endpoint.standing = endpoint.storeId === storeId ? 'ours' : 'unknown';
  }

  #take({ items }: Nodes): void {
    const live = foundOrigins(this.#given, items);
    for (const url of live) if (!this.#endpoints.has(url)) this.#add(url, false);
    for (const [url, endpoint] of this.#endpoints) {
      if (endpoint.isSeed || live.has(url)) continue;
      this.#endpoints.delete(url);
      void endpoint.close();
    }
  }

  #add(url: string, isSeed: boolean): void {
    const {
      apiKey,
      connectionsMax,
      connectTimeoutMs,
      answerBytesMax,
      avoidMsMin = 100,
      avoidMsMax = 30_000,
    } = this.options;
    const http = { url, apiKey, connectionsMax, connectTimeoutMs, answerBytesMax };
    this.#endpoints.set(url, new Endpoint(http, isSeed, { avoidMsMin, avoidMsMax }));
  }
}

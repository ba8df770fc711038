import type { Clock } from '../message/clock.js';
import { reached } from '../message/step.js';
import type { LaneStore } from '../store/lane-store.js';
import type { Logger } from '../runtime/logger.js';
import { DropRows, WaitInStore } from './delivery-changes.js';
import { DueRetries } from './due-retries.js';
import { emptyPage, type Lane, type Page } from './lane.js';
import type { OwnedState } from './owned-state.js';
import type { RelaySettings } from './relay-settings.js';
import type { SettlementWriter } from './settlement-writer.js';
import { trackedFromRetry } from './tracked-delivery.js';

/** Statements of one subscription under way at once while it is refilled. */
const readsAtOnce = 8;
const retryAfterMs = 1_000;

export interface RefillHost {
  /** Something may have become ready. */
  ready(): void;
  /** Cursors may have moved with nothing to give out, and are to be written. */
  moved(): void;
  /** Look again at that time (epoch ms). */
  wakeAt(at: number): void;
}

/**
 * Brings from the store into memory what may be given out: the log ahead, due retries, the next delivery of a key.
 * Works while there is something to bring and room for it; one run at a time.
 */
export class Refill {
  readonly #dueRetries: DueRetries;
  readonly #startedAt: number;
  #running = false;
  #stopped = false;
  #notBefore = 0;
  #stepListeners: (() => void)[] = [];

  constructor(
    private readonly state: OwnedState,
    private readonly store: LaneStore,
    private readonly writer: SettlementWriter,
    private readonly settings: RelaySettings,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly host: RefillHost,
  ) {
    this.#startedAt = clock.now();
    this.#dueRetries = new DueRetries(state, store, writer, settings, clock);
  }

  get running(): boolean {
    return this.#running;
  }

  /** Whether it brings something, or there is something to bring now. */
  get wanted(): boolean {
    return this.#running || this.#hasWork(this.clock.now());
  }

  /** Starts a run if there may be something to bring. */
  kick(): void {
    if (this.#stopped || this.clock.now() < this.#notBefore) return;
    // A run that is under way looks for more work by itself before it ends.
    if (this.#running || !this.#hasWork(this.clock.now())) return;
    this.#running = true;
    void this.#run();
  }

  /** Resolves after the next step of the run that is under way. */
  nextStep(): Promise<void> {
    if (!this.#running) return Promise.resolve();
    return new Promise((resolve) => this.#stepListeners.push(resolve));
  }

  /** Takes a chunk in as it was appended on this node. False where it must be read from the store instead. */
  takeIn(lane: Lane, chunk: Parameters<Lane['ingest']>[0]): boolean {
    const { filter, gate, readAhead } = this.state;
    // What brings nothing is taken in whatever there is room for: it must not stay in the log for ever.
    const window = this.state.windowOf(lane) || (chunk.refs.some(({ tag }) => filter(tag)) ? 0 : 1);
    if (!lane.follows(chunk, window) || gate.size >= this.settings.busyKeysMax) return false;
    const readyBefore = lane.ready.length;
    lane.ingest(chunk, filter, gate, emptyPage());
    // While there is room, several chunks may come between two takes of a consumer.
    if (readAhead.node.isFull && lane.ready.length > readyBefore) lane.served = this.state.asked;
    return true;
  }

  stop(): void {
    this.#stopped = true;
  }

  async #run(): Promise<void> {
    try {
      do {
        await this.#step();
        this.host.moved();
        if (this.state.hasReady) this.host.ready();
        for (const listener of this.#stepListeners.splice(0)) listener();
      } while (!this.#stopped && this.#hasWork(this.clock.now()));
    } catch (error) {
      if (!this.#stopped) this.#backOff(error);
    } finally {
      this.#running = false;
      for (const listener of this.#stepListeners.splice(0)) listener();
    }
  }

  #backOff(error: unknown): void {
    const { topic, group } = this.state;
    this.logger.warn({ err: error, topic, group, retryInMs: retryAfterMs }, 'could not read for a subscription');
    this.#notBefore = this.clock.now() + retryAfterMs;
    this.host.wakeAt(this.#notBefore);
  }

  #hasWork(now: number): boolean {
    if (this.state.asks.size > 0 || this.#dueRetries.wanted(now)) return true;
    for (const lane of this.state.lanes.values()) if (lane.overflow.length > 0) return true;
    return this.#lanesToRead(now).length > 0;
  }

  async #step(): Promise<void> {
    const now = this.clock.now();
    for (const lane of this.state.lanes.values()) {
      if (lane.overflow.length > 0) await this.#spill(lane);
    }
    await this.#askStore();
    if (this.#dueRetries.wanted(now)) {
      await this.#dueRetries.load(now);
      // Whoever looked at the subscription meanwhile could not know when the next one is due.
      if (this.state.retryWakeAt !== Infinity) this.host.wakeAt(this.state.retryWakeAt);
    }
    // Those first that have waited longest: a consumer may ask again before all were read.
    const lanes = this.#lanesToRead(now).sort((a, b) => a.served - b.served);
    await Promise.all(lanes.slice(0, readsAtOnce).map((lane) => this.#read(lane)));
    for (const lane of this.state.lanes.values()) this.#askForPassed(lane);
  }

  #lanesToRead(now: number): Lane[] {
    const isFull = this.state.gate.size >= this.settings.busyKeysMax;
    // Where the busy keys wait for the log to be read, reading on is what frees them.
    return [...this.state.lanes.values()].filter(
      (lane) => lane.wantsToRead(now, this.state.windowOf(lane)) && (!isFull || lane.inheritedWaiting.length > 0),
    );
  }

  async #read(lane: Lane): Promise<void> {
    const { topic, group, gate } = this.state;
    const from = lane.readOffset;
    const chunks = await this.store.readLog(topic, lane.shard, from, this.state.windowOf(lane));
    reached('relay.read');
    // What was known of the shard's end was wrong, or its end was deleted: the next look at the heads tells.
    if (chunks.length === 0 && lane.readOffset === from) lane.headOffset = from;
    // Others were faster to fill what the node has room for.
    if (this.state.windowOf(lane) === 0) return;
    const page = emptyPage();
    const readyBefore = lane.ready.length;
    for (const chunk of chunks) lane.ingest(chunk, this.state.filter, gate, page);
    if (lane.ready.length > readyBefore) lane.served = this.state.asked;
    if (page.missing > 0) {
      const fields = { topic, group, shard: lane.shard, from, count: page.missing };
      this.logger.error(fields, 'the shard log lacks unsettled offsets; they are skipped');
    }
    if (page.overflow.length > 0) await this.#overflow(lane, page);
  }

  /** What waited for the log to be read may be asked for once it was, by whatever the reading went on. */
  #askForPassed(lane: Lane): void {
    for (const keyHash of lane.passedInheritedWaiting()) {
      if (this.state.gate.askIfWaiting(keyHash)) this.state.asks.set(keyHash, lane.shard);
    }
  }

  /** Busy keys brought more than memory is meant for: wait for them where they make progress, else move it to the retry store. */
  async #overflow(lane: Lane, page: Page): Promise<void> {
    const now = this.clock.now();
    if (this.#worthWaiting(lane, page, now)) {
      lane.readOffset = page.overflow[0]!.offset;
      lane.stalledUntil = now + this.settings.spillAfterMs;
      this.host.wakeAt(lane.stalledUntil);
      return;
    }
    for (const { ref, offset } of page.overflow) this.state.gate.stored(ref.keyHash!, offset);
    lane.overflow = page.overflow;
    await this.#spill(lane);
  }

  /** Only where nothing of other keys was found behind, and the busy ones are in consumers' hands and were passed on lately. */
  #worthWaiting(lane: Lane, page: Page, now: number): boolean {
    const progressAt = Math.max(lane.lastPassedOnAt, this.#startedAt);
    if (page.readyAfterOverflow || now - progressAt >= this.settings.spillAfterMs) return false;
    return page.overflow.every(({ ref }) => {
      const holder = this.state.gate.holderOf(ref.keyHash!);
      return holder === null || lane.isUnderWay(holder);
    });
  }

  async #spill(lane: Lane): Promise<void> {
    await this.writer.write(new WaitInStore(this.state, [...lane.overflow], this.clock.now()));
    reached('relay.spilled');
    lane.overflow = [];
  }

  async #askStore(): Promise<void> {
    const asks = [...this.state.asks].slice(0, readsAtOnce);
    await Promise.all(asks.map(([keyHash, shard]) => this.#ask(keyHash, shard)));
  }

  async #ask(keyHash: string, shard: number): Promise<void> {
    const { topic, group, gate, asks } = this.state;
    const entry = await this.store.firstOfKey(topic, group, keyHash);
    const lane = this.state.lane(shard);
    if (entry !== null && entry.offset <= lane.readOffset && !lane.replaceByRow(entry.offset)) {
      // An earlier owner's write was done although it failed: the delivery is in memory from the log as well.
      await this.writer.write(new DropRows(this.state, [entry]));
      return;
    }
    const next = gate.answer(keyHash, entry === null ? null : entry.offset, lane.readOffset);
    if (next === 'ask-store') return;
    asks.delete(keyHash);
    if (next === 'read-first') {
      lane.awaitRead(keyHash, entry!.offset);
      return;
    }
    if (next !== 'stored') {
      this.state.followKey(keyHash, shard, next);
      return;
    }
    const waitsForItsTime = entry!.state === 'due' && entry!.dueAt > this.clock.now();
    const known = this.state.lane(entry!.shard).hasReadyRetry(entry!.offset);
    if (!waitsForItsTime && !known) this.state.readyRetry(trackedFromRetry(entry!));
  }
}

import { CallbackClient } from '../../src/callback/callback-client.js';
import { newSecret } from '../../src/callback/signer.js';
import { TargetGuard } from '../../src/callback/target-guard.js';
import { CheckBack } from '../../src/check/check-back.js';
import type { CheckObserver } from '../../src/check/check-observer.js';
import { defaultCheckSettings, type CheckSettings } from '../../src/check/check-settings.js';
import { HttpAsker } from '../../src/check/http-asker.js';
import type { ProducerAsker } from '../../src/check/producer-asker.js';
import type { Resolution, Resolver } from '../../src/message/transaction.js';
import { silentLogger } from '../../src/runtime/logger.js';
import type { Producer } from '../../src/store/catalog-store.js';
import type { TransactionView } from '../../src/store/lookup-store.js';
import type { MessageStore } from '../../src/store/message-store.js';
import { answering, TargetServer, type ReceivedCall } from '../callback/target-server.js';
import { openTestStore, sqliteServer } from '../store/databases.js';

const topic = 'orders';

/** What a producer's server replies. */
export const commit = answering(200, '{"resolution":"commit"}');
export const rollback = answering(200, '{"resolution":"rollback"}');
export const unknown = answering(200, '{"resolution":"unknown"}');

/** The transaction that a call asks about. */
export const idOf = ({ text }: ReceivedCall) => (JSON.parse(text) as { transactionId: string }).transactionId;

/** A store with half messages in it, producers on real HTTP servers, and a clock that only the test moves. */
export class CheckFixture {
  readonly clock = { time: 1_900_000_000_000, now: (): number => this.clock.time };
  readonly observed: string[] = [];
  /** Messages of level error. */
  readonly errors: string[] = [];
  readonly #closers: (() => Promise<unknown>)[] = [];

  private constructor(
    readonly store: MessageStore,
    private readonly closeStore?: () => Promise<void>,
  ) {}

  /** On a store of the suite's; with `closeStore` the store is closed with it. */
  static async on(store: MessageStore, closeStore?: () => Promise<void>): Promise<CheckFixture> {
    const fixture = new CheckFixture(store, closeStore);
    const now = fixture.clock.now();
    await store.catalog.putTopic({
      name: topic,
      shards: 2,
      retentionMs: 3_600_000,
      bodyBytesMax: 1_000_000,
      createdAt: now,
    });
    return fixture;
  }

  /** On a store of its own, which is closed with it. */
  static async fresh(): Promise<CheckFixture> {
    const { store, close } = await openTestStore(sqliteServer);
    return CheckFixture.on(store, close);
  }

  /** A broker's check-back on the store; several stand for several nodes. */
  checkBack(settings: Partial<CheckSettings> = {}, store = this.store, askers?: ProducerAsker[]): CheckBack {
    const client = new CallbackClient(new TargetGuard(true));
    this.#closers.push(() => client.close());
    const merged = { ...defaultCheckSettings, producerCacheMs: 1, ...settings };
    const observer: CheckObserver = {
      asked: (outcome) => void this.observed.push(outcome),
      parked: (why) => void this.observed.push(`parked: ${why}`),
      contradicted: () => void this.observed.push('contradicted'),
    };
    return new CheckBack({
      store: store.checks,
      readMessages: (ids) => store.lanes.readMessages(ids),
      resolve: (id, resolution) => this.resolve(id, resolution, 'check'),
      catalog: store.catalog,
      lookup: store.lookup,
      askers: askers ?? [new HttpAsker(client, this.clock, merged.checkTimeoutMs)],
      clock: this.clock,
      settings: merged,
      logger: { ...silentLogger, error: (_fields, message) => void this.errors.push(message) },
      observer,
    });
  }

  async server(reply: TargetServer['reply']): Promise<TargetServer> {
    const server = await new TargetServer(reply).listen();
    this.#closers.push(() => server.close());
    return server;
  }

  /** A producer that is asked there; without a URL it cannot be asked. */
  async producer(name: string, url?: string, options: Partial<Producer> = {}): Promise<void> {
    const producer: Producer = { name, createdAt: this.clock.now(), ...options };
    if (url !== undefined) producer.checkBack = { type: 'http', url };
    await this.store.catalog.putProducer(producer, newSecret());
  }

  /** Half messages of one transaction each, first checked after 6 s. */
  async prepare(producer: string, ...ids: string[]): Promise<void> {
    const items = ids.map((transactionId) => ({
      transactionId,
      producer,
      firstCheckAfterMs: 6_000,
      messages: [{ id: `${transactionId}-m`, idGiven: true, topic, body: { json: '{"a":1}' } }],
    }));
    for (const { problem } of await this.store.half.prepare(items, this.clock.now())) if (problem) throw problem;
  }

  async resolve(transactionId: string, resolution: Resolution, by: Resolver): Promise<void> {
    const { outcomes } = await this.store.half.append([{ kind: resolution, transactionId, by }], this.clock, 3_600_000);
    if (outcomes[0]?.problem) throw outcomes[0].problem;
  }

  async transaction(id: string): Promise<TransactionView> {
    const view = await this.store.lookup.getTransaction(id, false);
    if (!view) throw new Error(`no transaction ${id}`);
    return view;
  }

  /** Whether a producer is shown as reachable. */
  async reachable(checkBack: CheckBack, name: string): Promise<boolean> {
    const { producer } = (await this.store.catalog.getProducer(name))!;
    return (await checkBack.reachable([producer])).has(name);
  }

  /** Moves the clock and runs what is due then. */
  async pass(checkBack: CheckBack, ms: number): Promise<void> {
    this.clock.time += ms;
    await checkBack.runOnce(this.clock.time);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0)) await close();
    await this.closeStore?.();
  }
}

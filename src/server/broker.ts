import { CallbackClient } from '../callback/callback-client.js';
import { TargetGuard } from '../callback/target-guard.js';
import { CheckBack } from '../check/check-back.js';
import { silentCheckObserver } from '../check/check-observer.js';
import { defaultCheckSettings } from '../check/check-settings.js';
import type { ProducerStreams } from '../check/stream/producer-streams.js';
import { Pull } from '../deliver/pull.js';
import type { QueueBridgeEvents } from '../deliver/queue-bridge-settings.js';
import { LogWriter } from '../half/log-writer.js';
import { PendingBudget } from '../half/pending-budget.js';
import { ProducerCatalog } from '../half/producer-catalog.js';
import { Sender } from '../half/sender.js';
import { TopicCatalog } from '../half/topic-catalog.js';
import { Transactions } from '../half/transactions.js';
import type { Clock } from '../message/clock.js';
import { newId } from '../message/message-id.js';
import { Relay } from '../relay/relay.js';
import { ScheduleLoop } from '../relay/schedule-loop.js';
import { OverdueBacklogs } from '../retention/overdue-backlogs.js';
import { defaultRetentionSettings, Retention, silentRetentionObserver } from '../retention/retention.js';
import type { BackgroundService } from '../runtime/background-service.js';
import { Events } from '../runtime/events.js';
import { StoreClock } from '../runtime/store-clock.js';
import { namedAskers } from './askers.js';
import type { BrokerParts } from './broker-parts.js';
import { consumerFactory } from './consumers.js';
import { DurabilityWatch } from './durability-watch.js';
import { Microservices } from './microservices/microservices.js';
import { producerStreams } from './producer-streams.js';

/** Items of one database transaction of the half stage at most. */
const batchItemsMax = 500;

/** One node: every stage of a message's life, wired over one store and one engine. */
export class Broker {
  readonly id: string;
  readonly clock: Clock;
  readonly topics: TopicCatalog;
  readonly producers: ProducerCatalog;
  readonly transactions: Transactions;
  readonly sender: Sender;
  readonly targets: TargetGuard;
  readonly transports: Microservices;
  readonly checks: CheckBack;
  readonly streams: ProducerStreams;
  readonly relay: Relay;
  readonly pull: Pull;
  readonly durability: DurabilityWatch;
  readonly queueEvents: Events<QueueBridgeEvents>;
  readonly schedule: ScheduleLoop;
  readonly retention: Retention;
  readonly #storeClock: StoreClock | undefined;
  readonly #callbacks: CallbackClient;
  readonly #background: BackgroundService[];
  #handingOver: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  constructor(private readonly parts: BrokerParts) {
    const { settings, store, logger } = parts;
    this.id = parts.id ?? newId();
    this.#storeClock = parts.clock ? undefined : new StoreClock(store, logger);
    this.clock = parts.clock ?? this.#storeClock!;
    this.targets = new TargetGuard(settings.allowPrivateTargets);
    this.#callbacks = new CallbackClient(this.targets);
    this.transports = new Microservices(settings.microservices ?? {}, logger);
    this.queueEvents = new Events((error) => logger.error({ err: error }, 'a listener of a queue failed'));
    const { autoCreate, firstCheckAfterMs, messageRetentionMs: retentionMs, bodyBytesMax } = settings;
    this.topics = new TopicCatalog(store.catalog, this.clock, { autoCreate, retentionMs, bodyBytesMax });
    this.producers = new ProducerCatalog(store.catalog, this.clock, { autoCreate, firstCheckAfterMs });
    const half = this.#makeHalf();
    this.transactions = half.transactions;
    this.sender = half.sender;
    this.relay = this.#makeRelay();
    this.relay.events.on('removed', ({ topic, group }) => this.#removeQueue(topic, group));
    this.schedule = new ScheduleLoop(store.schedule, this.relay, this.clock, logger);
    const owned = (topic: string, group: string) => this.relay.owned(topic, group);
    this.pull = new Pull(owned, this.clock, settings.receiveBytesMax, logger);
    const onOpened = (producer: string) => this.checks.revive(producer);
    this.streams = producerStreams(settings, store, { nodeId: this.id, clock: this.clock, logger, onOpened });
    this.checks = this.#makeChecks();
    this.durability = new DurabilityWatch(store, settings.durability, this.clock, logger);
    this.retention = this.#makeRetention();
    this.#background = [this.checks, this.schedule, this.retention, this.durability];
    if (this.#storeClock) this.#background.push(this.#storeClock);
  }

  /** Where an application in this process lets itself be asked how its transactions ended, before every other way. */
  get answerers(): Pick<ProducerStreams, 'register'> {
    return this.streams;
  }

  /** Reads the store's clock and durability, registers this node and begins to work. Throws when the store is away. */
  async start(): Promise<void> {
    await this.#storeClock?.runOnce();
    await this.durability.runOnce();
    await this.relay.start();
    this.streams.start();
    for (const service of this.#background) service.start();
  }

  /** Hands its subscriptions over; everything else goes on, so that requests in hand can be finished. Never rejects. */
  handOver(): Promise<void> {
    // The rows of its streams go with the row of this node, so nothing of them may be written after that.
    this.#handingOver ??= this.streams
      .stop()
      .then(() => this.relay.stop())
      .catch((error: unknown) => this.#report(error));
    return this.#handingOver;
  }

  /** Finishes what is in hand, hands its subscriptions over, and closes the engine and the store. Requests must have ended before. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const { engine, store } = this.parts;
    const report = (error: unknown): void => this.#report(error);
    await this.handOver();
    await Promise.all(this.#background.map((service) => service.stop().catch(report)));
    await this.#callbacks.close().catch(report);
    await this.transports.close();
    await engine.close().catch(report);
    await store.close();
  }

  #report(error: unknown): void {
    this.parts.logger.error({ err: error }, 'a part of the broker did not stop cleanly');
  }

  /** A queue that nobody will fill again; one that stays, because the engine is away, is emptied when its name is used anew. */
  #removeQueue(topic: string, group: string): void {
    const { engine, logger } = this.parts;
    engine.queues
      .open(topic, group)
      .obliterate()
      .catch((error: unknown) => logger.warn({ err: error, topic, group }, 'a queue could not be removed'));
  }

  #makeHalf(): { transactions: Transactions; sender: Sender } {
    const { settings, store, observers } = this.parts;
    const bounds = { itemsMax: batchItemsMax, bytesMax: store.batchBytesMax, concurrency: 1 };
    const budget = new PendingBudget({ itemsMax: settings.pendingMax, bytesMax: settings.pendingBytesMax });
    const log = new LogWriter(
      store.half,
      this.clock,
      bounds,
      budget,
      settings.rolledBackRetentionMs,
      {
        stored: (messages) => this.relay.stored(messages),
        appended: (chunks) => this.relay.appended(chunks),
        scheduled: (dueAt) => this.schedule.expect(dueAt),
      },
      observers?.half,
    );
    const transactions = new Transactions(
      store.half,
      this.topics,
      this.producers,
      log,
      this.clock,
      bounds,
      budget,
      (messages) => this.relay.stored(messages),
      observers?.half,
    );
    return { transactions, sender: new Sender(this.topics, log, this.clock) };
  }

  #makeRelay(): Relay {
    const { settings, store, engine, logger, version, url } = this.parts;
    return new Relay({
      store,
      clock: this.clock,
      logger,
      node: { id: this.id, url, version, startedAt: Date.now() },
      consumers: consumerFactory({
        engine: engine.queues,
        queueEvents: this.queueEvents,
        client: this.#callbacks,
        pause: async (topic, group, reason) => {
          await store.subscriptions.setPaused(topic, group, true, reason);
          await this.relay.subscriptionChanged(topic, group);
        },
        send: (messages) => this.sender.send(messages),
        sender: this.transports,
        clock: this.clock,
        logger,
        stopMs: settings.shutdownMs,
      }),
      settings: { heldBackMax: settings.heldBackMax, readAheadMax: settings.readAheadMax, ...this.parts.relay },
      ...(engine.wakeChannel && { wakeChannel: engine.wakeChannel }),
    });
  }

  #makeChecks(): CheckBack {
    const { settings, store, logger, observers } = this.parts;
    const { checkIntervalMs, checkMax, checkAgeMaxMs, checkTimeoutMs } = settings;
    return new CheckBack({
      store: store.checks,
      catalog: store.catalog,
      lookup: store.lookup,
      readMessages: (ids) => store.lanes.readMessages(ids),
      resolve: (transactionId, resolution) => this.transactions.resolve(transactionId, resolution, 'check'),
      askers: [this.streams.asker, ...namedAskers(this.#callbacks, this.transports, this.clock, checkTimeoutMs)],
      clock: this.clock,
      settings: { ...defaultCheckSettings, checkIntervalMs, checkMax, checkAgeMaxMs, checkTimeoutMs },
      logger,
      observer: observers?.check ?? silentCheckObserver,
    });
  }

  #makeRetention(): Retention {
    const { settings, store, logger, observers } = this.parts;
    const { retentionIntervalMs: intervalMs, parkedRetentionMs, deadLetterRetentionMs } = settings;
    return new Retention({
      store: store.retention,
      backlogs: new OverdueBacklogs(store.subscriptions, store.catalog, logger, observers?.overdueBacklogs),
      clock: this.clock,
      settings: { ...defaultRetentionSettings, intervalMs, parkedRetentionMs, deadLetterRetentionMs },
      logger,
      observer: observers?.retention ?? silentRetentionObserver,
    });
  }
}

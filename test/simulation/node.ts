import { completeSettings } from '../../src/config/settings.js';
import type { Clock } from '../../src/message/clock.js';
import { Problem } from '../../src/message/problem.js';
import type { WakeChannel } from '../../src/relay/wake-channel.js';
import type { Logger } from '../../src/runtime/logger.js';
import type { MessageStore } from '../../src/store/message-store.js';
import { Broker } from '../../src/server/broker.js';
import { Link, linkedStore, noFaults, storeAway, type Interceptor, type LinkFaults } from './links.js';
import { ModelStore } from './model/model-store.js';
import type { Simulation } from './simulation.js';
import type { Owner } from './world.js';

const settings = completeSettings({ rolledBackRetentionMs: 3_600_000, shutdownMs: 2_000 });

/** One broker process: the real one, over the model of the store and the engine. A crash ends it in the middle of whatever. */
export class SimulatedNode {
  readonly owner: Owner;
  readonly broker: Broker;
  /** Started, and neither stopping nor dead. */
  serves = false;
  /** The store as this node sees it. */
  readonly store: MessageStore;
  #cutUntilMs = 0;

  constructor(
    private readonly simulation: Simulation,
    readonly name: string,
    life: number,
    intercept: Interceptor,
  ) {
    const { world, scenario, ledger } = simulation;
    this.owner = `${name}.${life}`;
    const storeLink = new Link({
      world,
      owner: this.owner,
      faults: () => this.#faults(scenario.storeFaults),
      isCut: () => world.elapsedMs < this.#cutUntilMs,
      failure: storeAway,
      noteFault: (kind) => ledger.fault(`${this.owner} ${kind}`),
    });
    const engineLink = new Link({
      world,
      owner: this.owner,
      faults: () => this.#faults(scenario.engineFaults),
      isCut: () => false,
      failure: () => new Error('the engine is away'),
      noteFault: (kind) => ledger.fault(`${this.owner} ${kind}`),
    });
    const queues = simulation.engine.linked(this.owner, engineLink);
    const byItsClock: Interceptor = (verb, args, proceed) => {
      if (verb !== 'half.append') return intercept(verb, args, proceed);
      const [items, clock, ...rest] = args as [unknown, Clock];
      // The store asks the clock of the node, wherever the call is by then.
      const ofNode: Clock = { now: () => world.as(this.owner, () => clock.now()) };
      return intercept(verb, [items, ofNode, ...rest], proceed);
    };
    this.store = linkedStore(new ModelStore(simulation.tables, world.random.int(0, 255)), storeLink, byItsClock);
    this.broker = new Broker({
      id: this.owner,
      settings: {
        ...settings,
        firstCheckAfterMs: 500,
        checkIntervalMs: scenario.checkIntervalMs,
        checkMax: scenario.checkMax,
        checkTimeoutMs: 1_000,
      },
      store: this.store,
      engine: { queues, close: () => Promise.resolve(), ...(scenario.wakes && { wakeChannel: this.#wakeChannel() }) },
      logger: this.#logger(),
      version: '1',
      url: `http://${this.owner}`,
      relay: scenario.relay,
    });
  }

  /** Starts, again and again while the store is away, as a supervisor would. */
  start(): void {
    const { world } = this.simulation;
    const attempt = (): void => {
      this.broker.start().then(
        () => {
          this.serves = true;
          world.trace(`${this.owner} serves`);
          this.simulation.onServes(this);
        },
        () => this.simulation.crash(this, 'could not start'),
      );
    };
    world.after(0, this.owner, attempt);
  }

  /** Hands its subscriptions over and ends. */
  stop(done: () => void): void {
    this.serves = false;
    this.simulation.world.trace(`${this.owner} stops`);
    this.simulation.world.after(0, this.owner, () => {
      this.broker.stop().then(done, done);
    });
  }

  /** Cannot reach the store for so long. */
  cut(forMs: number): void {
    this.#cutUntilMs = this.simulation.world.elapsedMs + forMs;
  }

  heal(): void {
    this.#cutUntilMs = 0;
  }

  #faults(faults: LinkFaults): LinkFaults {
    return this.simulation.healed ? noFaults : faults;
  }

  #wakeChannel(): WakeChannel {
    const { world, wakeListeners } = this.simulation;
    return {
      publish: (wake) => {
        for (const [owner, listener] of wakeListeners) {
          if (owner !== this.owner && world.random.chance(0.7))
            world.after(world.random.int(1, 30), owner, () => listener(wake));
        }
      },
      onWake: (listener) => {
        wakeListeners.set(this.owner, listener);
        return () => void wakeListeners.delete(this.owner);
      },
    };
  }

  #logger(): Logger {
    const { world, ledger } = this.simulation;
    const write = (level: string) => (fields: object, message: string) => {
      const { err } = fields as { err?: unknown };
      world.trace(`${this.owner} ${level}: ${message}${err instanceof Error ? ` (${err.message})` : ''}`);
    };
    return {
      debug: write('debug'),
      info: write('info'),
      warn: write('warn'),
      error: (fields, message) => {
        const { err } = fields as { err?: unknown };
        if (err instanceof Problem && err.slug === 'unavailable') {
          // The store was away just then, at a stop or an ask: the next owner, or the next ask, does it.
          write('error')(fields, message);
          return;
        }
        ledger.violate(
          'defect',
          `${this.owner} logged an error: ${message} ${err instanceof Error ? err.stack : JSON.stringify(fields)}`,
        );
      },
    };
  }
}

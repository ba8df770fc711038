import { PullConsumer, Worker, type SimulatedConsumer } from './consumers.js';
import { Calls } from './calls.js';
import { EngineModel } from './engine.js';
import { Ledger, type GroupLedger, type Violation } from './ledger.js';
import type { Interceptor } from './links.js';
import { ModelStore } from './model/model-store.js';
import { Tables } from './model/tables.js';
import type { Mutation } from './mutations.js';
import { SimulatedNode } from './node.js';
import { observer } from './observer.js';
import { SimulatedProducer } from './producer.js';
import { Random } from './random.js';
import { scenarioOf, type Scenario } from './scenario.js';
import { Troubles } from './troubles.js';
import { World, type Owner } from './world.js';
import type { Wake } from '../../src/relay/wake-channel.js';

/** After the trouble everything must come to rest within this time. */
const restMsMax = 240_000;
/** At rest, it is watched for so long whether something comes again. */
const watchMs = 2_000;

export interface SimulationResult {
  seed: number;
  violations: Violation[];
  /** Of the trace: the same for the same seed. */
  digest: string;
  events: number;
  /** Faults that were met. */
  faults: number;
  /** How long it took in simulated time. */
  elapsedMs: number;
  handled: number;
}

export interface SimulationOptions {
  seed: number;
  /** Told every line of the trace. */
  onTrace?: (line: string) => void;
  /** Breaks something on purpose. */
  mutation?: Mutation;
}

/** One run: nodes, producers and consumers on one store and one engine, in a world of one seed. */
export class Simulation {
  readonly world: World;
  readonly scenario: Scenario;
  readonly tables: Tables;
  readonly ledger: Ledger;
  readonly engine: EngineModel;
  readonly calls = new Calls(this);
  readonly producer = new SimulatedProducer(this);
  readonly wakeListeners = new Map<Owner, (wake: Wake) => void>();
  nodes: SimulatedNode[] = [];
  /** The trouble is over. */
  healed = false;
  readonly #consumers = new Map<GroupLedger, SimulatedConsumer[]>();
  readonly #intercept: Interceptor;
  readonly #skews = new Map<string, number>();
  #lives = 0;

  constructor(private readonly options: SimulationOptions) {
    const random = new Random(options.seed);
    this.world = new World(random, options.onTrace);
    this.scenario = scenarioOf(random);
    this.tables = new Tables({ now: () => this.world.now });
    this.ledger = new Ledger(this.world, this.tables);
    this.engine = new EngineModel(this.world);
    this.#intercept = observer(this, options.mutation);
  }

  /** Nothing goes wrong by itself in this run. */
  get isCalm(): boolean {
    const { crashes, stalls, cuts, wipes, consumerDeaths, storeFaults } = this.scenario;
    return crashes + stalls + cuts + wipes + consumerDeaths === 0 && storeFaults.slowMsMax === 0;
  }

  async run(): Promise<SimulationResult> {
    const { world, scenario, ledger, options } = this;
    const undo = options.mutation?.apply?.();
    try {
      world.trace(`seed ${options.seed}: ${JSON.stringify(scenario)}`);
      await this.#prepare();
      await world.run(scenario.troubleMs);
      await this.#rest();
    } finally {
      undo?.();
    }
    let handled = 0;
    for (const { everHandled } of ledger.groups.values()) handled += everHandled.size;
    const { violations, faults } = ledger;
    const { events, elapsedMs } = world;
    return { seed: options.seed, violations, digest: world.digest(), events, faults, elapsedMs, handled };
  }

  /** Any node that takes calls. */
  someNode(): SimulatedNode | undefined {
    const serving = this.nodes.filter(({ serves }) => serves);
    return serving.length === 0 ? undefined : this.world.random.pick(serving);
  }

  /** A node has started: the application in it can be asked from now on. */
  onServes(node: SimulatedNode): void {
    node.broker.answerers.register('shop', 'i1', this.producer.answererAt(node));
  }

  /** Ends a node where it stands; another one takes its place a while later. */
  crash(node: SimulatedNode, why: string): void {
    const { world } = this;
    this.ledger.fault(`${node.owner} dies: ${why}`);
    node.serves = false;
    world.kill(node.owner);
    this.calls.cutOff(node);
    this.wakeListeners.delete(node.owner);
    this.nodes = this.nodes.filter((each) => each !== node);
    world.after(world.random.int(50, this.healed ? 200 : 4_000), 'trouble', () => this.#startNode(node.name));
  }

  /** Stops a node as planned and starts it again. */
  restart(node: SimulatedNode): void {
    const { world } = this;
    this.ledger.fault(`${node.owner} is restarted as planned`);
    let isDone = false;
    const done = (): void => {
      if (isDone || world.isDead(node.owner)) return;
      isDone = true;
      world.after(0, 'trouble', () => this.crash(node, 'has stopped'));
    };
    node.stop(done);
    world.after(15_000, 'trouble', done);
  }

  wipeEngine(): void {
    this.ledger.fault('the engine is wiped');
    this.engine.wipe();
    for (const of of this.ledger.groups.values()) {
      if (of.config.mode === 'queue') for (const each of [...of.working]) this.ledger.abandon(of, each);
    }
  }

  killConsumer(): void {
    const { world, ledger } = this;
    const of = world.random.pick([...ledger.groups.values()]);
    const consumers = this.#consumers.get(of)!;
    const index = world.random.int(0, consumers.length - 1);
    const { owner, inHand } = consumers[index]!;
    for (const each of inHand) ledger.abandon(of, each);
    if (of.config.mode === 'queue' && world.random.chance(0.4)) {
      ledger.fault(`${owner} is blocked`);
      world.stall(owner, world.random.int(1_000, 25_000));
      return;
    }
    ledger.fault(`${owner} dies`);
    world.kill(owner);
    world.after(world.random.int(10, 2_000), 'trouble', () => this.#startConsumer(of, index));
  }

  async #prepare(): Promise<void> {
    const { world, scenario, ledger } = this;
    const store = new ModelStore(this.tables);
    const createdAt = world.now;
    for (const { name, shards } of scenario.topics) {
      await store.catalog.putTopic({ name, shards, retentionMs: 86_400_000, bodyBytesMax: 1 << 20, createdAt });
    }
    for (const { topic, group, config, consumers } of scenario.groups) {
      await store.subscriptions.put(topic, group, config, 'earliest', undefined, createdAt);
      ledger.subscribed(topic, group, config);
      const of = ledger.group(topic, group);
      this.#consumers.set(of, []);
      for (let index = 0; index < consumers; index += 1) this.#startConsumer(of, index);
    }
    for (let index = 0; index < scenario.nodes; index += 1) {
      const name = `n${index + 1}`;
      this.#skews.set(name, world.random.int(-scenario.skewMsMax, scenario.skewMsMax));
      world.after(world.random.int(0, 400), 'trouble', () => this.#startNode(name));
    }
    const workMsMax = Math.floor(scenario.troubleMs * 0.8);
    for (let number = 1; number <= scenario.transactions; number += 1) {
      world.after(world.random.int(0, workMsMax), 'shop', () => this.producer.transaction(number));
    }
    for (let number = 1; number <= scenario.sends; number += 1) {
      world.after(world.random.int(0, workMsMax), 'shop', () => this.producer.send(number));
    }
    new Troubles(this).plan();
  }

  #startNode(name: string): void {
    const life = ++this.#lives;
    const owner = `${name}.${life}`;
    this.world.skew(owner, this.#skews.get(name)!);
    this.world.after(0, owner, () => {
      const node = new SimulatedNode(this, name, life, this.#intercept);
      this.nodes.push(node);
      node.start();
    });
  }

  #startConsumer(of: GroupLedger, index: number): void {
    const owner = `${of.group}.c${++this.#lives}`;
    const consumer =
      of.config.mode === 'queue'
        ? new Worker(this, owner, of, this.engine.queue(of.topic, of.group))
        : new PullConsumer(this, owner, of);
    this.#consumers.get(of)![index] = consumer;
    consumer.start();
  }

  /** Heals everything, and sees that all comes to rest, and to the right end. */
  async #rest(): Promise<void> {
    const { world, ledger } = this;
    world.trace('the trouble is over');
    this.healed = true;
    for (const node of this.nodes) node.heal();
    let isAtRest = false;
    const look = (): void => {
      this.#operate();
      isAtRest = this.#open().length === 0;
      if (!isAtRest) world.after(250, 'operator', look);
    };
    world.after(1_000, 'operator', look);
    const { elapsedMs } = world;
    if (!(await world.run(elapsedMs + restMsMax, () => isAtRest))) {
      ledger.violate('stuck', `still open after ${restMsMax} ms: ${this.#open().join('; ')}`);
    }
    await world.run(world.elapsedMs + watchMs);
    ledger.checkEnd();
  }

  /** Resumes what is paused, and throws dead letters away that hold up their keys. */
  #operate(): void {
    for (const of of this.ledger.groups.values()) {
      const row = this.tables.subscription(of.topic, of.group)!;
      if (row.subscription.paused) {
        row.subscription = { ...row.subscription, paused: false };
        row.changedAt = this.world.now;
      }
      if (of.config.onDeadLetter !== 'block') continue;
      for (const { id, ref } of this.tables.deadOf(of.topic, of.group)) {
        of.discarded.add(ref.id);
        this.tables.deadLetters.delete(id);
        row.changedAt = this.world.now;
      }
    }
  }

  /** What is not yet at its end. */
  #open(): string[] {
    const open: string[] = [];
    if (this.producer.open > 0) open.push(`the producer tries ${this.producer.open} times`);
    for (const { id, state } of this.tables.transactions.values())
      if (state === 'prepared') open.push(`${id} is prepared`);
    for (const [id, { dueAt }] of this.tables.scheduled) open.push(`${id} is due in ${dueAt - this.world.now} ms`);
    for (const { topic, group } of this.ledger.groups.values()) {
      const nextOffset = this.tables.shards.get(topic)!.reduce((all, shard) => all + shard.nextOffset, 0);
      const row = this.tables.subscription(topic, group)!;
      let settled = 0;
      for (const { settledOffset, settledAbove } of row.lanes.values()) {
        settled += settledOffset + settledAbove.reduce((all, [from, to]) => all + to - from, 0);
      }
      if (settled < nextOffset) open.push(`${group} has settled ${settled} of ${nextOffset}`);
      for (const { shard, offset, state, ref } of row.retries.values())
        open.push(`${group} ${ref.id} at ${shard}:${offset} is ${state}`);
    }
    return open;
  }
}

/** Runs one seed to its end. */
export function simulate(options: SimulationOptions): Promise<SimulationResult> {
  return new Simulation(options).run();
}

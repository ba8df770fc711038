import type { ReceivedDelivery } from '../../src/deliver/pulled-subscription.js';
import type { Outcome } from '../../src/message/problem.js';
import { rejectText } from '../../src/message/failure-text.js';
import type { QueueState } from './engine.js';
import type { GroupLedger, Try } from './ledger.js';
import type { SimulatedNode } from './node.js';
import type { Simulation } from './simulation.js';
import type { Owner } from './world.js';

type Result = 'ok' | 'fail' | 'reject' | 'release' | 'silent';

/** How a consumer ends a try. In quiet times all is well, but for what can never be handled. */
function resultOf(simulation: Simulation, isPoison: boolean): Result {
  const roll = simulation.world.random.next();
  if (isPoison) return roll < 0.9 ? 'fail' : 'reject';
  if (simulation.healed || simulation.isCalm || roll < 0.8) return 'ok';
  if (roll < 0.9) return 'fail';
  return roll < 0.93 ? 'reject' : roll < 0.96 ? 'release' : 'silent';
}

/** How long it works on a try. */
function workMs({ world, healed, isCalm }: Simulation): number {
  if (healed) return world.random.int(0, 30);
  return world.random.int(0, !isCalm && world.random.chance(0.07) ? 3_500 : 150);
}

/** A process that consumes a group; it may die at any time. */
export interface SimulatedConsumer {
  readonly owner: Owner;
  readonly of: GroupLedger;
  /** What it works on now. */
  readonly inHand: Set<Try>;
  start(): void;
}

/** Receives over some node, acks, nacks, extends, forgets, and takes too long. */
export class PullConsumer implements SimulatedConsumer {
  readonly inHand = new Set<Try>();

  constructor(
    private readonly simulation: Simulation,
    readonly owner: Owner,
    readonly of: GroupLedger,
  ) {}

  start(): void {
    this.#later(0);
  }

  #later(ms: number): void {
    this.simulation.world.after(ms, this.owner, () => this.#receive());
  }

  #receive(): void {
    const { world, calls } = this.simulation;
    const { random } = world;
    const node = this.#node();
    if (node === undefined) {
      this.#later(200);
      return;
    }
    const request = {
      max: random.int(1, 4),
      visibilityMs: random.pick([2_500, 4_000, 8_000]),
      waitMs: random.pick([0, 500, 3_000]),
    };
    const { topic, group } = this.of;
    calls.call(
      this.owner,
      node,
      () => node.broker.pull.receive(topic, group, request),
      ({ value, error }) => {
        for (const received of value ?? []) this.#handle(received);
        this.#later(error !== undefined ? random.int(50, 400) : value!.length > 0 ? random.int(0, 100) : 50);
      },
    );
  }

  #handle({ receipt, delivery }: ReceivedDelivery): void {
    const { world, ledger } = this.simulation;
    const { message, shard, offset, attempt, generation, claimedUntil } = delivery;
    const { id: messageId, orderingKey } = message;
    // An answer that took longer than its claim is too late to begin.
    if (claimedUntil <= world.now + 1_000) return;
    const isPoison = message.body.json === '"poison"';
    const begun = ledger.begin(this.of, {
      messageId,
      shard,
      offset,
      attempt,
      generation,
      orderingKey,
      consumer: this.owner,
      claimedUntil,
    });
    this.inHand.add(begun);
    const result = resultOf(this.simulation, isPoison);
    const ms = workMs(this.simulation);
    if (ms > 1_000 && world.random.chance(0.5)) world.after(ms / 2, this.owner, () => this.#extend(receipt, begun));
    world.after(ms, this.owner, () => this.#end(receipt, begun, result));
  }

  #extend(receipt: string, begun: Try): void {
    const node = this.#node();
    if (node === undefined) return;
    const { topic, group } = this.of;
    const { world, calls } = this.simulation;
    const askedAt = world.now;
    calls.call(
      this.owner,
      node,
      () => node.broker.pull.extend(topic, group, [receipt], 5_000),
      ({ value }) => {
        if (isDone(value)) begun.claimedUntil = Math.max(begun.claimedUntil, askedAt + 5_000);
      },
    );
  }

  #end(receipt: string, begun: Try, result: Result): void {
    const { ledger } = this.simulation;
    this.inHand.delete(begun);
    if (result === 'release') ledger.released(this.of, begun);
    else ledger.end(this.of, begun, result === 'ok');
    if (result !== 'silent') this.#settle(receipt, begun, result, 3);
  }

  #settle(receipt: string, begun: Try, result: Result, triesLeft: number): void {
    const { world, calls, ledger } = this.simulation;
    const { topic, group } = this.of;
    const again = (): void => {
      if (triesLeft > 1)
        world.after(world.random.int(10, 300), this.owner, () => this.#settle(receipt, begun, result, triesLeft - 1));
    };
    const node = this.#node();
    if (node === undefined) {
      again();
      return;
    }
    const { pull } = node.broker;
    const failure = {
      error: result === 'reject' ? 'rejected' : 'failed',
      deadLetter: result === 'reject',
      release: result === 'release',
    };
    const work = (): Promise<Outcome<true>[]> =>
      result === 'ok' ? pull.ack(topic, group, [receipt]) : pull.nack(topic, group, [receipt], failure);
    calls.call(this.owner, node, work, ({ value, error }) => {
      const answer = value?.[0]?.problem?.slug ?? (error as Error | undefined)?.message ?? 'done';
      world.trace(`${this.owner} ${result} ${begun.messageId}#${begun.attempt}: ${answer}`);
      if (isDone(value) && result === 'ok') ledger.confirm(this.of, begun);
      if (error !== undefined) again();
    });
  }

  /** The owner, mostly. */
  #node(): SimulatedNode | undefined {
    const { topic, group } = this.of;
    const owner = this.simulation.nodes.find((node) => node.serves && node.broker.relay.owned(topic, group) !== null);
    return owner !== undefined && this.simulation.world.random.chance(0.9) ? owner : this.simulation.someNode();
  }
}

function isDone(outcomes: Outcome<true>[] | undefined): boolean {
  return outcomes?.[0]?.value === true;
}

/** Takes jobs from the engine, as a Bull worker does. */
export class Worker implements SimulatedConsumer {
  readonly inHand = new Set<Try>();

  constructor(
    private readonly simulation: Simulation,
    readonly owner: Owner,
    readonly of: GroupLedger,
    private readonly queue: QueueState,
  ) {}

  start(): void {
    this.#later(0);
  }

  #later(ms: number): void {
    this.simulation.world.after(ms, this.owner, () => this.#next());
  }

  #next(): void {
    const { world, ledger } = this.simulation;
    const job = this.queue.next(this.owner);
    if (job === undefined) {
      this.#later(world.random.int(50, 120));
      return;
    }
    const { shard, offset, attempt, id: messageId, orderingKey, body } = JSON.parse(job.json) as Job;
    const generation = Number(job.id.split(':').at(-2));
    const begun = ledger.begin(this.of, {
      messageId,
      shard,
      offset,
      attempt,
      generation,
      orderingKey,
      consumer: this.owner,
      claimedUntil: Infinity,
    });
    this.inHand.add(begun);
    const result = resultOf(this.simulation, body === 'poison');
    world.after(workMs(this.simulation), this.owner, () => {
      this.inHand.delete(begun);
      ledger.end(this.of, begun, result === 'ok');
      this.queue.end(
        job,
        result === 'ok',
        result === 'ok' ? undefined : result === 'reject' ? rejectText('rejected') : 'failed',
      );
      this.#later(world.random.int(0, 20));
    });
  }
}

interface Job {
  id: string;
  shard: number;
  offset: number;
  attempt: number;
  orderingKey?: string;
  body: unknown;
}

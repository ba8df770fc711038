import type { NewMessage } from '../../src/message/message.js';
import { Problem } from '../../src/message/problem.js';
import type { InProcessAnswerer } from '../../src/check/stream/in-process-stream.js';
import type { SimulatedNode } from './node.js';
import type { Simulation } from './simulation.js';

/** Sends, runs local transactions, goes silent in the middle of them, and answers how they ended. */
export class SimulatedProducer {
  /** Transactions and sends that it is not done with. */
  open = 0;
  readonly #begun = new Set<string>();

  constructor(private readonly simulation: Simulation) {}

  /** One message, which a group may want or not; some fail whatever a consumer does. */
  #message(id: string): NewMessage {
    const { random } = this.simulation.world;
    const { topics, keys } = this.simulation.scenario;
    return {
      id,
      topic: random.pick(topics).name,
      ...(random.chance(0.6) && { orderingKey: `k${random.int(1, keys)}` }),
      ...(random.chance(0.5) && { tag: random.pick(['a', 'b', 'c']) }),
      ...(random.chance(0.15) && { delayMs: random.int(1, 3_000) }),
      body: { json: random.chance(0.08) ? '"poison"' : '{}' },
    };
  }

  send(number: number): void {
    const { ledger, world } = this.simulation;
    const messages = Array.from({ length: world.random.int(1, 3) }, (_, index) => this.#message(`s${number}.${index}`));
    this.open += 1;
    this.#try(
      `s${number}`,
      8,
      (node) => node.broker.sender.send(messages),
      () => {
        for (const { id } of messages) ledger.sent.add(id!);
      },
      () => (this.open -= 1),
    );
  }

  transaction(number: number): void {
    const { world, ledger } = this.simulation;
    const { random } = world;
    const id = `x${number}`;
    const messages = Array.from({ length: random.int(1, 3) }, (_, index) => this.#message(`${id}.${index}`));
    const firstCheckAfterMs = random.int(100, 2_000);
    this.open += 1;
    this.#begun.add(id);
    let isPrepared = false;
    this.#try(
      id,
      5,
      (node) => node.broker.transactions.prepare({ id, producer: 'shop', instance: 'i1', firstCheckAfterMs, messages }),
      () => (isPrepared = true),
      () => {
        // Without an answer the local transaction does not run.
        if (!isPrepared) ledger.truth.set(id, 'rollback');
        if (isPrepared) this.#runLocally(id);
        else this.open -= 1;
      },
    );
  }

  /** Answers at one node, while that lives. */
  answererAt(node: SimulatedNode): InProcessAnswerer {
    return {
      answer: ({ transactionId }) =>
        new Promise((resolve, reject) => {
          const { world, ledger, healed } = this.simulation;
          const { random } = world;
          const fate = healed ? 1 : random.next();
          if (fate < 0.05) {
            ledger.fault('a check without an answer');
            return;
          }
          world.after(random.int(1, fate < 0.1 ? 1_500 : 20), node.owner, () => {
            if (fate > 0.1 && fate < 0.15) reject(new Error('the answerer is confused'));
            else resolve(ledger.truth.get(transactionId) ?? 'unknown');
          });
        }),
    };
  }

  #runLocally(id: string): void {
    const { world, ledger } = this.simulation;
    const { random } = world;
    const decision = random.pick(['commit', 'commit', 'commit', 'commit', 'rollback', 'never'] as const);
    if (decision === 'never') {
      this.open -= 1;
      return;
    }
    world.after(random.int(0, random.chance(0.8) ? 100 : 4_000), 'shop', () => {
      ledger.truth.set(id, decision);
      world.trace(`shop decides ${decision} of ${id}`);
      // Silent from here on: only a check can bring it to an end.
      if (random.chance(0.2)) {
        this.open -= 1;
        return;
      }
      this.#try(
        id,
        6,
        (node) => node.broker.transactions.resolve(id, decision, 'client'),
        ({ transaction }) => ledger.checkAnswered(id, transaction!.state as 'committed' | 'rolled_back'),
        () => (this.open -= 1),
      );
    });
  }

  /** Calls some node, and another one again while it gets no answer. */
  #try<T>(
    what: string,
    triesLeft: number,
    work: (node: SimulatedNode) => Promise<T>,
    succeeded: (value: T) => void,
    ended: () => void,
  ): void {
    const { world, calls } = this.simulation;
    const again = (): void => {
      if (triesLeft <= 1 && !this.simulation.healed) ended();
      else
        world.after(world.random.int(20, 1_000), 'shop', () => this.#try(what, triesLeft - 1, work, succeeded, ended));
    };
    const node = this.simulation.someNode();
    if (node === undefined) {
      again();
      return;
    }
    calls.call(
      'shop',
      node,
      () => work(node),
      ({ value, error }) => {
        if (error === undefined) {
          world.trace(`shop ${what}: done`);
          succeeded(value as T);
          ended();
          return;
        }
        world.trace(`shop ${what}: ${(error as Error).message}`);
        const isFinal = error instanceof Problem && error.slug !== 'unavailable' && error.slug !== 'overloaded';
        // A refusal that nothing but a defect explains: ids are used once, and nothing is resolved both ways.
        if (isFinal) this.simulation.ledger.violate('wrong-outcome', `${what} was refused: ${error.message}`);
        if (isFinal) ended();
        else again();
      },
    );
  }
}

import type { SimulatedNode } from './node.js';
import type { Simulation } from './simulation.js';

/** What goes wrong as a whole, at times that the seed says. */
export class Troubles {
  constructor(private readonly simulation: Simulation) {}

  plan(): void {
    const { scenario } = this.simulation;
    this.#often(scenario.crashes, () => this.#onSomeNode((node) => this.simulation.crash(node, 'killed')));
    this.#often(scenario.restarts, () => this.#onSomeNode((node) => this.simulation.restart(node)));
    this.#often(scenario.stalls, () => this.#stall());
    this.#often(scenario.cuts, () => this.#onSomeNode((node) => this.#cut(node)));
    this.#often(scenario.wipes, () => this.simulation.wipeEngine());
    this.#often(scenario.consumerDeaths, () => this.simulation.killConsumer());
    this.#often(scenario.seeks, () =>
      this.#operate('seek', (node, topic, group) => node.store.subscriptions.seek(topic, group, 'earliest')),
    );
    this.#often(scenario.pauses, () => this.#pause());
    this.#often(scenario.redrives, () =>
      this.#operate('redrive', (node, topic, group) =>
        node.store.deadLetters.redrive({ topic, group }, this.simulation.world.now, 2),
      ),
    );
  }

  #often(most: number, run: () => void): void {
    const { world, scenario } = this.simulation;
    for (let count = 0; count < most; count += 1) {
      world.after(world.random.int(500, scenario.troubleMs), 'trouble', () => {
        if (!this.simulation.healed) run();
      });
    }
  }

  #onSomeNode(run: (node: SimulatedNode) => void): void {
    const node = this.simulation.someNode();
    if (node !== undefined) run(node);
  }

  /** The event loop of a node is blocked, often for longer than its lease. */
  #stall(): void {
    const { world, ledger } = this.simulation;
    this.#onSomeNode((node) => {
      const ms = world.random.pick([200, 3_000, 7_000, 12_000]);
      ledger.fault(`${node.owner} is blocked for ${ms} ms`, ms + 1_000);
      world.stall(node.owner, ms);
    });
  }

  #cut(node: SimulatedNode): void {
    const { world, ledger } = this.simulation;
    const ms = world.random.pick([300, 2_000, 8_000]);
    ledger.fault(`${node.owner} cannot reach the store for ${ms} ms`, ms + 1_000);
    node.cut(ms);
  }

  #pause(): void {
    const { world } = this.simulation;
    const { topic, group } = world.random.pick([...this.simulation.ledger.groups.values()]);
    const set = (paused: boolean): void =>
      this.#operate(paused ? 'pause' : 'resume', (node) => node.store.subscriptions.setPaused(topic, group, paused), {
        topic,
        group,
      });
    set(true);
    world.after(world.random.int(500, 3_000), 'trouble', () => set(false));
  }

  /** Something that an operator does through some node, which then tells the others. */
  #operate(
    what: string,
    work: (node: SimulatedNode, topic: string, group: string) => Promise<unknown>,
    of: { topic: string; group: string } = this.simulation.world.random.pick([
      ...this.simulation.ledger.groups.values(),
    ]),
  ): void {
    const { topic, group } = of;
    const { world, calls } = this.simulation;
    this.#onSomeNode((node) => {
      const operate = async (): Promise<void> => {
        await work(node, topic, group);
        await node.broker.relay.subscriptionChanged(topic, group);
      };
      calls.call('operator', node, operate, ({ error }) => {
        world.trace(`operator ${what} ${group}: ${error instanceof Error ? error.message : 'done'}`);
      });
    });
  }
}

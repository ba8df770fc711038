import type { SimulatedNode } from './node.js';
import type { Simulation } from './simulation.js';
import type { Owner } from './world.js';

/** How a call of a client to a node ended. An error may mean that it was done all the same. */
export type Answer<T> = { value: T; error?: undefined } | { error: unknown; value?: undefined };

/** A client waits so long for an answer. */
const timeoutMs = 15_000;

/** Calls of clients to nodes: they take their time, get lost on either way, and end when the node does. */
export class Calls {
  readonly #open = new Map<SimulatedNode, Set<() => void>>();

  constructor(private readonly simulation: Simulation) {}

  /** `done` is told once, as an event of the client. */
  call<T>(client: Owner, node: SimulatedNode, work: () => Promise<T>, done: (answer: Answer<T>) => void): void {
    const { world, ledger, healed } = this.simulation;
    const { random } = world;
    const faults = this.simulation.scenario.callFaults;
    const roll = healed ? 1 : random.next();
    const isLostCall = roll < faults.lostCall;
    const isLostAnswer = !isLostCall && roll < faults.lostCall + faults.lostAnswer;
    if (isLostCall || isLostAnswer) ledger.fault(`${client} loses ${isLostCall ? 'a call' : 'an answer'}`);
    let isOver = false;
    const end = (answer: Answer<T>): void => {
      if (isOver) return;
      isOver = true;
      stopWaiting();
      this.#open.get(node)?.delete(lost);
      done(answer);
    };
    const lost = (): void => void world.after(random.int(1, 20), client, () => end({ error: new Error('lost') }));
    const stopWaiting = world.after(timeoutMs, client, () => end({ error: new Error('no answer in time') }));
    let open = this.#open.get(node);
    if (open === undefined) this.#open.set(node, (open = new Set()));
    open.add(lost);
    if (isLostCall || world.isDead(node.owner)) {
      lost();
      return;
    }
    const answer = (given: Answer<T>): void => {
      if (isLostAnswer) lost();
      else
        world.after(0.2 + random.next() * (random.chance(faults.slow) ? faults.slowMsMax : 3), client, () =>
          end(given),
        );
    };
    world.after(0.2 + random.next() * 2, node.owner, () => {
      work().then(
        (value) => answer({ value }),
        (error: unknown) => answer({ error }),
      );
    });
  }

  /** The node has died: nobody who waits for it gets an answer. */
  cutOff(node: SimulatedNode): void {
    for (const lost of this.#open.get(node) ?? []) lost();
    this.#open.delete(node);
  }
}

import type { Clock } from '../message/clock.js';
import { reached } from '../message/step.js';
import type { NodeRow, NodeStore } from '../store/node-store.js';

/** The part of a lease that this node counts on; the rest covers clocks that run apart. */
const trusted = 0.8;

/**
 * This node's one row in the store. Every subscription that it owns is its own for as long as the row lasts.
 * Whether it lasts is judged by a clock that never jumps, from the moment before the renewal was sent.
 */
export class NodeLease {
  #holdsUntil = -Infinity;

  /** @param monotonicNow milliseconds of a clock that is never set */
  constructor(
    private readonly nodes: NodeStore,
    readonly node: Omit<NodeRow, 'expiresAt'>,
    private readonly leaseMs: number,
    private readonly clock: Clock,
    private readonly monotonicNow: () => number = () => performance.now(),
  ) {}

  get holds(): boolean {
    return this.monotonicNow() < this.#holdsUntil;
  }

  async renew(): Promise<void> {
    const sentAt = this.monotonicNow();
    await this.nodes.renew({ ...this.node, expiresAt: this.clock.now() + this.leaseMs });
    reached('lease.renewed');
    this.#holdsUntil = sentAt + this.leaseMs * trusted;
  }

  /** Gives the lease up: what this node still owns is free at once. */
  async end(): Promise<void> {
    this.#holdsUntil = -Infinity;
    await this.nodes.remove(this.node.id);
  }
}

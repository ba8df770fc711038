import { subscriptionChangedNotice } from './endpoints/subscriptions.js';
import { Problem } from '../message/problem.js';
import type { NodeRow } from '../store/node-store.js';
import type { NodeClient } from './node-client.js';
import type { Services } from './services.js';

/** Nodes that are told of a subscription that nobody owns; the others find out by polling. */
const toldMax = 16;

/** Makes the nodes go by a subscription that was changed here, before the caller of the change is answered. */
export class ChangeNotice {
  constructor(
    private readonly services: Pick<Services, 'relay' | 'node' | 'logger'>,
    private readonly nodes: NodeClient,
  ) {}

  /** Resolves when this node, and the owner where it is another one, go by the change; a node that does not answer polls. */
  async changed(topic: string, group: string): Promise<void> {
    await this.services.relay.subscriptionChanged(topic, group);
    const told = await this.#nodesToTell(topic, group);
    await Promise.all(told.map((node) => this.#tell(node, topic, group)));
  }

  async #nodesToTell(topic: string, group: string): Promise<NodeRow[]> {
    const { relay, node } = this.services;
    const others = relay.liveNodes.filter(({ id }) => id !== node.id);
    if (others.length === 0 || relay.owned(topic, group)) return [];
    const owner = await this.#ownerOf(topic, group);
    return owner ? [owner].filter(({ id }) => id !== node.id) : others.slice(0, toldMax);
  }

  async #ownerOf(topic: string, group: string): Promise<NodeRow | null> {
    try {
      return await this.services.relay.ownerOf(topic, group);
    } catch (error) {
      // It was deleted: whoever owned it should hear of that.
      if (error instanceof Problem && error.slug === 'subscription-not-found') return null;
      throw error;
    }
  }

  async #tell(node: NodeRow, topic: string, group: string): Promise<void> {
    const path = subscriptionChangedNotice.spec.path
      .replace(':topic', encodeURIComponent(topic))
      .replace(':group', encodeURIComponent(group));
    try {
      await this.nodes.post(node.url, path, {});
    } catch (error) {
      this.services.logger.debug({ err: error, node: node.id }, 'a node could not be told of a changed subscription');
    }
  }
}

import type { NodeRow, NodeStore } from '../../../src/store/node-store.js';
import type { LiveStream, ProducerStream, StreamStore } from '../../../src/store/stream-store.js';
import { byText, type Tables } from './tables.js';

const nodesOfInstanceMax = 10;
const keyOf = ({ producer, instance, nodeId }: ProducerStream): string => `${producer} ${instance} ${nodeId}`;

/** Nodes over maps. */
export class ModelNodeStore implements NodeStore {
  constructor(private readonly tables: Tables) {}

  async renew({ id, url, version, startedAt, expiresAt }: NodeRow): Promise<void> {
    this.tables.nodes.set(id, { id, url, version, startedAt, expiresAt });
  }

  async remove(id: string): Promise<void> {
    this.tables.nodes.delete(id);
    for (const [key, { nodeId }] of this.tables.streams) if (nodeId === id) this.tables.streams.delete(key);
  }

  async live(now: number): Promise<(NodeRow & { subscriptions: number })[]> {
    const owned = (id: string): number => {
      let count = 0;
      for (const { subscription } of this.tables.subscriptions.values()) if (subscription.owner === id) count += 1;
      return count;
    };
    return [...this.tables.nodes.values()]
      .filter(({ expiresAt }) => expiresAt > now)
      .sort((a, b) => byText(a.id, b.id))
      .map((node) => ({ ...node, subscriptions: owned(node.id) }));
  }

  async removeExpired(before: number): Promise<void> {
    const ended = [...this.tables.nodes.values()].filter(({ expiresAt }) => expiresAt < before);
    for (const { id } of ended) await this.remove(id);
  }

  async identity(): Promise<{ storeId: string; nodeSecret: string }> {
    return (this.tables.identity ??= { storeId: 'model', nodeSecret: 'A'.repeat(43) });
  }
}

/** Streams of producers over maps. */
export class ModelStreamStore implements StreamStore {
  constructor(private readonly tables: Tables) {}

  async open(streams: readonly ProducerStream[], now: number): Promise<void> {
    for (const { producer, instance, nodeId } of streams) {
      const stream = { producer, instance, nodeId, connectedAt: now };
      if (!this.tables.streams.has(keyOf(stream))) this.tables.streams.set(keyOf(stream), stream);
    }
  }

  async close(streams: readonly ProducerStream[]): Promise<void> {
    for (const stream of streams) this.tables.streams.delete(keyOf(stream));
  }

  async find(producer: string, instance: string | undefined, now: number, limit: number): Promise<LiveStream[]> {
    const live = this.#live(producer, now).sort((a, b) => byText(keyOf(a), keyOf(b)));
    const wanted = live.filter((stream) => stream.instance === (instance ?? '')).slice(0, nodesOfInstanceMax);
    const others = live.filter((stream) => stream.instance !== (instance ?? '')).slice(0, limit);
    return [...wanted, ...others].map((stream) => ({
      producer: stream.producer,
      instance: stream.instance,
      nodeId: stream.nodeId,
      nodeUrl: this.tables.nodes.get(stream.nodeId)!.url,
    }));
  }

  async newest(producers: readonly string[], now: number): Promise<Map<string, number>> {
    const newest = new Map<string, number>();
    for (const producer of producers) {
      const times = this.#live(producer, now).map(({ connectedAt }) => connectedAt);
      if (times.length > 0) newest.set(producer, Math.max(...times));
    }
    return newest;
  }

  #live(producer: string, now: number): (ProducerStream & { connectedAt: number })[] {
    return [...this.tables.streams.values()].filter(
      (stream) => stream.producer === producer && (this.tables.nodes.get(stream.nodeId)?.expiresAt ?? 0) > now,
    );
  }
}

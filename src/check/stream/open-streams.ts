import type { Clock } from '../../message/clock.js';
import { Problem } from '../../message/problem.js';
import { Events } from '../../runtime/events.js';
import type { Stream } from './stream.js';
import type { StreamSettings } from './stream-settings.js';

/** Names an instance of a producer. */
export interface InstanceKey {
  producer: string;
  instance: string;
}

interface OfProducer {
  instances: Map<string, Set<Stream>>;
  count: number;
  /** Those of them that are answerers in this process. */
  inProcess: number;
  /** When the newest one was opened (epoch ms). */
  newestAt: number;
}

/** How long a client that finds no room should wait before it asks this node again. */
const fullRetryMs = 5_000;

/**
 * The streams that this node holds. An instance may have several: a new one may come before the old one is known to be
 * dead, so the newest is asked first. Nothing is kept of a producer without streams.
 */
export class OpenStreams {
  /** An instance has its first stream here, or has lost its last one. */
  readonly events: Events<{ opened: InstanceKey; closed: InstanceKey }>;
  readonly #producers = new Map<string, OfProducer>();
  #count = 0;

  constructor(
    private readonly bounds: Pick<StreamSettings, 'streamsMax' | 'streamsPerProducerMax'>,
    private readonly clock: Clock,
    onError: (error: unknown) => void,
  ) {
    this.events = new Events(onError);
  }

  /** Streams over all producers. */
  get count(): number {
    return this.#count;
  }

  /** Producers with a stream. */
  get producers(): number {
    return this.#producers.size;
  }

  /** `overloaded` while this node holds as many streams as it may. */
  requireRoom(producer: string): void {
    const { streamsMax, streamsPerProducerMax } = this.bounds;
    if (this.#count >= streamsMax) throw full(`this node holds ${streamsMax} streams`);
    if ((this.#producers.get(producer)?.count ?? 0) < streamsPerProducerMax) return;
    throw full(`this node holds ${streamsPerProducerMax} streams of ${producer}`);
  }

  add(stream: Stream): void {
    const { producer, instance } = stream;
    let ofProducer = this.#producers.get(producer);
    if (!ofProducer) this.#producers.set(producer, (ofProducer = newProducer()));
    let streams = ofProducer.instances.get(instance);
    if (!streams) ofProducer.instances.set(instance, (streams = new Set()));
    streams.add(stream);
    ofProducer.count += 1;
    if (stream.inProcess) ofProducer.inProcess += 1;
    ofProducer.newestAt = this.clock.now();
    this.#count += 1;
    if (streams.size === 1) this.events.emit('opened', { producer, instance });
  }

  /** To be called when a stream has ended; repeating it does nothing. */
  remove(stream: Stream): void {
    const { producer, instance } = stream;
    const ofProducer = this.#producers.get(producer);
    const streams = ofProducer?.instances.get(instance);
    if (!ofProducer || !streams?.delete(stream)) return;
    ofProducer.count -= 1;
    if (stream.inProcess) ofProducer.inProcess -= 1;
    this.#count -= 1;
    if (streams.size > 0) return;
    ofProducer.instances.delete(instance);
    if (ofProducer.count === 0) this.#producers.delete(producer);
    this.events.emit('closed', { producer, instance });
  }

  /** Streams of one instance, the newest first. */
  of({ producer, instance }: InstanceKey): Stream[] {
    return [...(this.#producers.get(producer)?.instances.get(instance) ?? [])].reverse();
  }

  /** Instances of a producer that have a stream here, `limit` at most. */
  instancesOf(producer: string, limit: number): string[] {
    const found: string[] = [];
    for (const instance of this.#producers.get(producer)?.instances.keys() ?? []) {
      if (found.length >= limit) break;
      found.push(instance);
    }
    return found;
  }

  /** When the newest stream of the producer here was opened (epoch ms); undefined when there is none. */
  newestOf(producer: string): number | undefined {
    return this.#producers.get(producer)?.newestAt;
  }

  /** Whether an application in this process answers for the producer. */
  answersInProcess(producer: string): boolean {
    return (this.#producers.get(producer)?.inProcess ?? 0) > 0;
  }

  /** Every instance that has a stream here. */
  keys(): InstanceKey[] {
    return [...this.#producers].flatMap(([producer, { instances }]) =>
      [...instances.keys()].map((instance) => ({ producer, instance })),
    );
  }

  /** Ends all of them. */
  closeAll(code: number, reason: string): void {
    for (const { instances } of [...this.#producers.values()]) {
      for (const streams of [...instances.values()]) for (const stream of [...streams]) stream.close(code, reason);
    }
  }
}

function newProducer(): OfProducer {
  return { instances: new Map(), count: 0, inProcess: 0, newestAt: 0 };
}

function full(detail: string): Problem {
  return new Problem('overloaded', detail, { retryAfterMs: fullRetryMs });
}

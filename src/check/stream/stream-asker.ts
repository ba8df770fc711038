import type { Clock } from '../../message/clock.js';
import type { Producer, SigningSecrets } from '../../store/catalog-store.js';
import type { StreamStore } from '../../store/stream-store.js';
import type { CheckAnswer, CheckQuestion, ProducerAsker } from '../producer-asker.js';
import type { InstanceKey, OpenStreams } from './open-streams.js';
import type { StreamAnswer } from './stream.js';

/** Asks over streams that other nodes hold. */
export interface OtherNodes {
  /** `gone` where that node, or its stream, is there no more. May reject only when the signal is aborted. */
  ask(nodeUrl: string, key: InstanceKey, question: CheckQuestion, signal: AbortSignal): Promise<StreamAnswer>;
}

export interface StreamAskerParts {
  open: OpenStreams;
  store: Pick<StreamStore, 'find' | 'newest'>;
  others: OtherNodes;
  nodeId: string;
  clock: Clock;
  triesMax: number;
}

/** One instance that can be asked, here or at another node. */
interface Target {
  key: InstanceKey;
  /** Absent: here. */
  nodeUrl?: string;
}

/**
 * Asks over the streams that the producer's instances hold open, or in this process: the instance that prepared first,
 * wherever its stream is, and while it has one nobody else, since it may have the transaction in hand. Else the others,
 * another one at each attempt; one whose stream ends before it answers is followed by the next.
 */
export class StreamAsker implements ProducerAsker {
  constructor(private readonly parts: StreamAskerParts) {}

  /** A producer with another way configured is asked over a stream only where the stream is in this process. */
  canAsk(producer: Producer): boolean {
    return producer.checkBack === undefined || this.parts.open.answersInProcess(producer.name);
  }

  async openSince(producers: readonly string[]): Promise<Map<string, number>> {
    const { open, store, clock } = this.parts;
    const since = await store.newest(producers, clock.now());
    for (const producer of producers) {
      const here = open.newestOf(producer);
      if (here !== undefined) since.set(producer, Math.max(here, since.get(producer) ?? 0));
    }
    return since;
  }

  async ask(
    question: CheckQuestion,
    _producer: Producer,
    _secrets: SigningSecrets | null,
    signal: AbortSignal,
  ): Promise<CheckAnswer> {
    let why = 'no stream of the producer is open';
    for await (const target of this.#targets(question)) {
      if (signal.aborted) break;
      const { answer, gone } = await this.#askOne(target, question, signal);
      if (answer) return answer;
      why = gone;
    }
    return { outcome: 'unreachable', error: why };
  }

  /** Asks an instance over the streams that this node holds; for other nodes, which hold the claim. */
  async askHere(key: InstanceKey, question: CheckQuestion, signal: AbortSignal): Promise<StreamAnswer> {
    let ended: StreamAnswer = { gone: 'no stream of the instance is open at its node' };
    for (const stream of this.parts.open.of(key)) {
      ended = await stream.ask(question, signal);
      if (ended.answer) break;
    }
    return ended;
  }

  #askOne({ key, nodeUrl }: Target, question: CheckQuestion, signal: AbortSignal): Promise<StreamAnswer> {
    if (nodeUrl === undefined) return this.askHere(key, question, signal);
    return this.parts.others.ask(nodeUrl, key, question, signal);
  }

  async *#targets({ check }: CheckQuestion): AsyncGenerator<Target> {
    const { open, store, nodeId, clock, triesMax } = this.parts;
    const { producer, instance: preparedBy } = check;
    if (preparedBy !== undefined) {
      const key = { producer, instance: preparedBy };
      // Found without a look at the store, which is the usual case.
      if (open.of(key).length > 0) yield { key };
    }
    const found = await store.find(producer, preparedBy, clock.now(), instancesMax);
    const elsewhere = found.filter((stream) => stream.nodeId !== nodeId).map(targetOf);
    yield* elsewhere.filter(({ key }) => key.instance === preparedBy);
    const here = open.instancesOf(producer, instancesMax).map((instance): Target => ({ key: { producer, instance } }));
    const others = [...here, ...elsewhere].filter(({ key }) => key.instance !== preparedBy);
    others.sort((a, b) => (a.key.instance < b.key.instance ? -1 : 1));
    const first = others.length > 0 ? (check.attempt - 1) % others.length : 0;
    yield* [...others.slice(first), ...others.slice(0, first)].slice(0, triesMax);
  }
}

/** Other instances, here and elsewhere, among which one is chosen. */
const instancesMax = 100;

function targetOf(stream: { producer: string; instance: string; nodeUrl: string }): Target {
  return { key: { producer: stream.producer, instance: stream.instance }, nodeUrl: stream.nodeUrl };
}

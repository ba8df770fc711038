import type { WebSocket } from 'ws';
import type { Clock } from '../../message/clock.js';
import type { StoredMessage } from '../../message/message.js';
import type { BackgroundService } from '../../runtime/background-service.js';
import type { Logger } from '../../runtime/logger.js';
import type { StreamStore } from '../../store/stream-store.js';
import type { AskedCheck } from '../producer-asker.js';
import { InProcessStream, type InProcessAnswerer } from './in-process-stream.js';
import { OpenStreams, type InstanceKey } from './open-streams.js';
import { outOfTime, type StreamAnswer } from './stream.js';
import { StreamAsker, type OtherNodes } from './stream-asker.js';
import { StreamRows } from './stream-rows.js';
import type { StreamSettings } from './stream-settings.js';
import { goingAway, WebSocketStream } from './web-socket-stream.js';

export interface ProducerStreamsParts {
  store: StreamStore;
  /** `LaneStore.readMessages`. */
  readMessages: (ids: string[]) => Promise<Map<string, StoredMessage>>;
  nodeId: string;
  clock: Clock;
  logger: Logger;
  settings: StreamSettings;
  /** Told of producers that have a new instance to ask. */
  onOpened: (producer: string) => Promise<void>;
}

/** What of a claimed check another node needs to ask about it. */
export type PassedQuestion = AskedCheck & { askedAt: number };

/** The streams of producers at this node: opened by clients and by applications in this process, asked by any node. */
export class ProducerStreams implements BackgroundService {
  readonly open: OpenStreams;
  readonly asker: StreamAsker;
  readonly settings: StreamSettings;
  readonly #rows: StreamRows;
  #others: OtherNodes | undefined;

  constructor(private readonly parts: ProducerStreamsParts) {
    const { store, nodeId, clock, logger, settings, onOpened } = parts;
    const report = (error: unknown): void => logger.error({ err: error }, 'a listener of the streams failed');
    this.settings = settings;
    this.open = new OpenStreams(settings, clock, report);
    const { refreshMs, triesMax } = settings;
    this.#rows = new StreamRows({ open: this.open, store, nodeId, clock, logger, refreshMs, onStored: onOpened });
    const others: OtherNodes = {
      ask: async (...call) => this.#others?.ask(...call) ?? { gone: 'other nodes cannot be asked from here' },
    };
    this.asker = new StreamAsker({ open: this.open, store, others, nodeId, clock, triesMax });
  }

  start(): void {
    this.#rows.start();
  }

  /** Ends every stream, so that clients go to another node at once, and writes nothing more. */
  async stop(): Promise<void> {
    this.closeAll();
    await this.#rows.stop();
  }

  /** By which streams of other nodes are asked; to be set by the edge, which can call them. */
  askOthersBy(others: OtherNodes): void {
    this.#others = others;
  }

  /** `overloaded` while there is no room for another stream of the producer. */
  requireRoom(producer: string): void {
    this.open.requireRoom(producer);
  }

  /** Takes a client's connection as a stream of an instance. Room must have been asked for before. */
  accept(socket: WebSocket, { producer, instance }: InstanceKey): void {
    const stream: WebSocketStream = new WebSocketStream(socket, producer, instance, this.settings, () =>
      this.open.remove(stream),
    );
    this.open.add(stream);
  }

  /** Lets an application in this process answer for a producer, before every other way. Answers how to take that back. */
  register(producer: string, instance: string, answerer: InProcessAnswerer): () => void {
    const stream: InProcessStream = new InProcessStream(producer, instance, answerer, () => this.open.remove(stream));
    this.open.add(stream);
    return () => stream.close();
  }

  /** Asks for another node, over streams that are held here; reads the messages itself. */
  async askHere(
    { producer, instance }: InstanceKey,
    { askedAt, ...check }: PassedQuestion,
    signal: AbortSignal,
  ): Promise<StreamAnswer> {
    if (this.open.of({ producer, instance }).length === 0) return { gone: 'its node does not hold the stream' };
    const stored = await this.parts.readMessages(check.messageIds);
    const messages = check.messageIds.flatMap((id) => stored.get(id) ?? []);
    if (signal.aborted) return outOfTime;
    return this.asker.askHere({ producer, instance }, { check, messages, askedAt }, signal);
  }

  /** Ends every stream of this node as going away. */
  closeAll(): void {
    this.open.closeAll(goingAway, 'this node is stopping');
  }
}

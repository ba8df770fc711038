import { Inject, Injectable } from '@nestjs/common';
import type { Call, CallAnswer, Caller } from '../../client/broker/caller.js';
import { HalfboxClient } from '../../client/broker/halfbox-client.js';
import type { Message, MessagePlace } from '../../client/contract.js';
import { BrokerUnreachable } from '../../client/errors.js';
import type { AnyTopics, TopicMap, TopicMessage } from '../../client/producer/topic-map.js';
import { completeSettings, type Settings } from '../../config/settings.js';
import type { Logger } from '../../runtime/logger.js';
import { startNode, type NodeOptions, type RunningNode } from '../../server/node.js';
import { packageVersion } from '../../server/version.js';
import { HALFBOX_OPTIONS, type HalfboxModuleOptions } from './halfbox-options.js';
import { NestLog } from './nest-log.js';

/** Something in this application that uses the broker. */
export interface BrokerUser {
  /** Finishes what is in hand; called before the broker stops. */
  close(): Promise<void>;
  /** What is under way and has not reached the broker yet, in words; for `settled()` of the testing kit. */
  pending?(): string[];
}

/** Bound of one call of {@link HalfboxBroker.send} and of a topic's creation. */
const callMs = 10_000;

/**
 * The broker inside this application. It starts with the application's modules, or earlier with the first call, so that
 * it can be used in every `onModuleInit`; it stops when servers and consumers of the application have been closed.
 */
@Injectable()
export class HalfboxBroker<Topics extends TopicMap = AnyTopics> {
  /** The contract as calls, without a socket, with every scope. */
  readonly client: HalfboxClient;
  /** The way of {@link client}, for producers and consumers of this application. `close` leaves the broker running. */
  readonly caller: Caller;
  protected readonly settings: Settings;
  protected readonly logger: Logger;
  protected readonly users = new Set<BrokerUser>();
  #starting: Promise<RunningNode> | undefined;
  #running: RunningNode | undefined;
  #stopping: Promise<void> | undefined;

  /** @throws SettingsError that names each wrong setting */
  constructor(@Inject(HALFBOX_OPTIONS) protected readonly options: HalfboxModuleOptions<Topics>) {
    const { api: _api, topics: _topics, logger, ...settings } = options;
    this.settings = completeSettings(settings);
    this.logger = logger ?? new NestLog('Halfbox');
    this.caller = { call: (call) => this.#call(call), close: () => this.#running?.caller.close() ?? Promise.resolve() };
    this.client = new HalfboxClient(this.caller);
  }

  /**
   * Starts it unless it has been started. Throws `StoreStartError` when the database cannot be used as it is: a SQLite
   * file that another broker has open, a schema that is too new. After a failure the next call tries again.
   */
  async start(): Promise<void> {
    await this.#started();
  }

  /** The running broker. Throws before the start, and after the stop. */
  get node(): RunningNode {
    if (!this.#running) throw new Error('the embedded broker is not running');
    return this.#running;
  }

  /** Where it listens; undefined without an API. */
  get url(): string | undefined {
    return this.options.api === false ? undefined : this.node.url;
  }

  /** Sends 1..1000 messages without a transaction, all or none; at once, not gathered with others. Rejects as {@link client}. */
  async send(messages: TopicMessage<Topics> | readonly TopicMessage<Topics>[]): Promise<MessagePlace[]> {
    const list = (Array.isArray(messages) ? messages : [messages]) as Message[];
    return (await this.client.send(list, { timeoutMs: callMs })).messages;
  }

  /** It is closed before the broker stops. Answers how to forget it. */
  usedBy(user: BrokerUser): () => void {
    this.users.add(user);
    return () => void this.users.delete(user);
  }

  /** Closes what uses it, finishes what is in hand within `shutdownMs`, and closes everything. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** How a node is started, for a testing kit that sets the time. */
  protected startNode(options: NodeOptions): Promise<RunningNode> {
    return startNode(this.settings, this.logger, packageVersion(), options);
  }

  async #started(): Promise<RunningNode> {
    if (this.#stopping) throw new Error('the embedded broker has been stopped');
    this.#starting ??= this.#start();
    try {
      return await this.#starting;
    } catch (error) {
      this.#starting = undefined;
      throw error;
    }
  }

  async #startedFor(): Promise<RunningNode> {
    try {
      return await this.#started();
    } catch (error) {
      throw new BrokerUnreachable('the broker of this process', false, error);
    }
  }

  async #start(): Promise<RunningNode> {
    const node = await this.startNode({ api: this.options.api });
    try {
      for (const [topic, settings] of Object.entries(this.options.topics ?? {})) {
        await new HalfboxClient(node.caller).putTopic(topic, settings as object, { timeoutMs: callMs });
      }
    } catch (error) {
      await node.stop();
      throw error;
    }
    this.#running = node;
    return node;
  }

  async #stop(): Promise<void> {
    const failed = (error: unknown): void => {
      this.logger.error({ err: error }, 'something that uses the embedded broker did not close');
    };
    await Promise.all([...this.users].map((user) => user.close().catch(failed)));
    await (await this.#starting?.catch(() => undefined))?.stop();
    this.#running = undefined;
  }

  async #call(call: Call): Promise<CallAnswer> {
    const node = this.#running ?? (await this.#startedFor());
    return node.caller.call(call);
  }
}

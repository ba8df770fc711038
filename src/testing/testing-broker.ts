import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SERVICES, type Services } from '../api/services.js';
import type { z } from 'zod';
import type { deadLetter } from '../api/schemas/operations.js';
import { refusal } from '../client/broker/halfbox-client.js';
import type { DeliveredMessage } from '../client/contract.js';
import type { AnyTopics, TopicMap } from '../client/producer/topic-map.js';
import { messageJson } from '../message/message-json.js';
import { HalfboxBroker } from '../nest/broker/halfbox-broker.js';
import type { HalfboxModuleOptions } from '../nest/broker/halfbox-options.js';
import type { NodeOptions, RunningNode } from '../server/node.js';
import { OpenWorkList } from './open-work.js';
import { TestingClock } from './testing-clock.js';
import { TimeTravel } from './time-travel.js';

/** The settings of a broker, but for where its data lies and how it is reached. */
export interface TestingOptions<Topics extends TopicMap = AnyTopics> extends Omit<
  HalfboxModuleOptions<Topics>,
  'api' | 'storeUrl' | 'redisUrl' | 'host' | 'port' | 'advertiseUrl'
> {
  /** The broker's time at the start. Default: now. */
  now?: Date | number | undefined;
}

/** A message that ran out of attempts, or was rejected. */
export type DeadLetter = z.output<typeof deadLetter>;
/** A visible message, with its place. */
export type VisibleMessage = Omit<DeliveredMessage, 'attempt'>;

const settledMs = 5_000;
const callMs = 5_000;
/** Retries of one subscription that may be due at the same time. */
const dueRetriesMax = 100_000;
/** Messages that one look at a topic answers, of each shard. */
const messagesMax = 10_000;

/**
 * A broker for tests of an application: private data (a SQLite file in a temporary folder, deleted when it stops), no
 * HTTP, and a time that the test sets. Everything else is the real broker.
 */
export class HalfboxTestingBroker<Topics extends TopicMap = AnyTopics> extends HalfboxBroker<Topics> {
  /** The broker's time. It stands still until the test moves it; timers of the application are not touched. */
  readonly clock: TestingClock;
  readonly #folder: string;
  #travel: TimeTravel | undefined;

  constructor(options: TestingOptions<Topics> = {}) {
    const { now = Date.now(), ...settings } = options;
    const folder = join(tmpdir(), `halfbox-testing-${randomUUID()}`);
    super({ ...settings, api: false, storeUrl: `sqlite:${join(folder, 'halfbox.db')}` });
    this.#folder = folder;
    this.clock = new TestingClock(Number(now), async (target, moveTo) => {
      await this.start();
      await this.#travel!.to(target, moveTo);
    });
  }

  /**
   * Resolves when nothing is under way: no call of the broker, nothing that a producer of the application still has to
   * send or to finish, no transaction that is due to be asked about, and every visible message settled in every
   * subscription or waiting for a time (a retry, a delay, a rate), for a resume, or behind a dead letter. Rejects with
   * `NotSettled` and what it still waits for after `timeoutMs` (default 5,000, real time).
   */
  async settled({ timeoutMs = settledMs }: { timeoutMs?: number } = {}): Promise<void> {
    await this.start();
    await this.#travel!.settled(timeoutMs);
  }

  /** The dead letters, 500 at most, of one topic or subscription where it is named. */
  async deadLetters(topic?: keyof Topics & string, group?: string): Promise<DeadLetter[]> {
    const query = new URLSearchParams({ limit: '500', ...(topic && { topic }), ...(group && { group }) });
    const path = `/v1/dead-letters?${query.toString()}`;
    const answer = await this.caller.call({ method: 'GET', path, timeoutMs: callMs });
    if (answer.status !== 200) throw refusal(answer);
    return (JSON.parse(answer.text) as { items: DeadLetter[] }).items;
  }

  /** The visible messages of a topic in the order of their shards and offsets, 10,000 of each shard at most. */
  async messages(topic: keyof Topics & string): Promise<VisibleMessage[]> {
    await this.start();
    const { lanes, catalog } = this.#store;
    const { shards } = (await catalog.getTopic(topic)) ?? { shards: 0 };
    const messages: VisibleMessage[] = [];
    for (let shard = 0; shard < shards; shard += 1) {
      for (const { firstOffset, refs } of await lanes.readLog(topic, shard, 0, messagesMax)) {
        const stored = await lanes.readMessages(refs.map(({ id }) => id));
        refs.forEach(({ id }, index) => {
          const message = stored.get(id);
          if (message) messages.push({ ...messageJson(message), shard, offset: firstOffset + index } as VisibleMessage);
        });
      }
    }
    return messages;
  }

  override async stop(): Promise<void> {
    this.#travel?.end();
    await super.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  protected override async startNode(options: NodeOptions): Promise<RunningNode> {
    // Retries beyond the bound are looked for at the next tick, which a clock that stands still does not reach.
    const node = await super.startNode({ ...options, clock: this.clock, relay: { dueRetriesMax } });
    const { store } = node.http.app.get<Services>(SERVICES);
    const pending = () => [...this.users].flatMap((user) => user.pending?.() ?? []);
    this.#travel = new TimeTravel(node, store, new OpenWorkList(node, store, pending));
    return node;
  }

  get #store(): Services['store'] {
    return this.node.http.app.get<Services>(SERVICES).store;
  }
}

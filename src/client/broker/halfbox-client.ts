import type {
  Ack,
  AckSeveral,
  Batch,
  BatchResult,
  Extend,
  Message,
  Nack,
  Nodes,
  Prepare,
  PreparedTransaction,
  ProducerSettings,
  Receive,
  Received,
  ReceivedOfSeveral,
  ReceiveSeveral,
  ResolvedTransaction,
  SentMessages,
  SettleResults,
  SubscriptionSettings,
  TopicSettings,
  Transaction,
} from '../contract.js';
import { BrokerRefused, BrokerUnreachable, type RefusedField } from '../errors.js';
import { valueOf, type Call, type CallAnswer, type Caller } from './caller.js';

/** Bounds of one call that its caller sets. */
export interface CallOptions {
  /** Bound of the call, its answer included. Default 35,000 (longer than the longest wait for deliveries). */
  timeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

const timeoutMsDefault = 35_000;

/**
 * The HTTP contract as calls. Nothing is retried here: with an id of your own every call can be repeated, and the repeat
 * is answered like the first. Every method rejects with `BrokerRefused` for a refusal, and with `BrokerUnreachable` when
 * no answer came, or none that can be read.
 */
export class HalfboxClient {
  constructor(private readonly caller: Caller) {}

  /** Stores half messages, invisible until the commit. */
  prepare(transaction: Prepare, options?: CallOptions): Promise<PreparedTransaction> {
    return this.#call('POST', '/v1/transactions', transaction, options);
  }

  /** When it resolves the messages survive any crash and are on their way. `transaction-already-rolled-back`. */
  commit(transactionId: string, options?: CallOptions): Promise<ResolvedTransaction> {
    return this.#call('POST', `/v1/transactions/${encodeURIComponent(transactionId)}/commit`, undefined, options);
  }

  /** When it resolves the messages will never be delivered. `transaction-already-committed`. */
  rollback(transactionId: string, options?: CallOptions): Promise<ResolvedTransaction> {
    return this.#call('POST', `/v1/transactions/${encodeURIComponent(transactionId)}/rollback`, undefined, options);
  }

  /** Prepares, then commits, then rolls back, 1,000 items at most; each has a result or a problem of its own, in order. */
  batch(items: Batch, options?: CallOptions): Promise<BatchResult> {
    return this.#call('POST', '/v1/transactions/batch', items, options);
  }

  transaction(transactionId: string, options?: CallOptions): Promise<Transaction> {
    return this.#call('GET', `/v1/transactions/${encodeURIComponent(transactionId)}`, undefined, options);
  }

  /** Sends 1..1000 messages without a transaction, all or none. */
  async send(messages: readonly Message[], options?: CallOptions): Promise<SentMessages> {
    const sent = await this.#call<SentMessages>('POST', '/v1/messages', { messages }, options);
    // Whoever deletes what was sent must not take anything else for a broker's answer.
    if (!isAbout(messages, sent)) {
      throw new BrokerUnreachable('the broker', true, new Error('its answer is not about the messages that were sent'));
    }
    return sent;
  }

  /** Creates the topic, or changes its retention and largest body (scope `admin`). `already-exists` for another number of shards. */
  async putTopic(topic: string, settings: TopicSettings = {}, options?: CallOptions): Promise<void> {
    await this.#call('PUT', `/v1/topics/${topic}`, settings, options);
  }

  /** Creates or replaces the producer. */
  putProducer(producer: string, settings: ProducerSettings = {}, options?: CallOptions): Promise<{ secret?: string }> {
    return this.#call('PUT', `/v1/producers/${producer}`, settings, options);
  }

  /** Creates or replaces the subscription (scope `admin`). */
  async putSubscription(
    topic: string,
    group: string,
    settings: SubscriptionSettings,
    options?: CallOptions,
  ): Promise<void> {
    await this.#call('PUT', `/v1/subscriptions/${topic}/${group}`, settings, options);
  }

  /** Takes deliveries of a subscription of mode `pull`; waits up to `waitMs` for a first one. */
  receive(topic: string, group: string, how: Receive = {}, options?: CallOptions): Promise<Received> {
    return this.#call('POST', `/v1/subscriptions/${topic}/${group}/receive`, how, options);
  }

  ack(topic: string, group: string, receipts: Ack, options?: CallOptions): Promise<SettleResults> {
    return this.#call('POST', `/v1/subscriptions/${topic}/${group}/ack`, receipts, options);
  }

  nack(topic: string, group: string, receipts: Nack, options?: CallOptions): Promise<SettleResults> {
    return this.#call('POST', `/v1/subscriptions/${topic}/${group}/nack`, receipts, options);
  }

  extend(topic: string, group: string, receipts: Extend, options?: CallOptions): Promise<SettleResults> {
    return this.#call('POST', `/v1/subscriptions/${topic}/${group}/extend`, receipts, options);
  }

  /**
   * Takes deliveries of several subscriptions of mode `pull` in one call; waits up to `waitMs` for a first one. Answers those it
   * could not serve as `notServed`: {@link receive} serves them, or says why not.
   */
  receiveSeveral(how: ReceiveSeveral, options?: CallOptions): Promise<ReceivedOfSeveral> {
    return this.#call('POST', '/v1/deliveries/receive', how, options);
  }

  /** A result for each, in order. */
  ackSeveral(deliveries: AckSeveral, options?: CallOptions): Promise<SettleResults> {
    return this.#call('POST', '/v1/deliveries/ack', deliveries, options);
  }

  /** The live brokers of the store, and the store's id. */
  nodes(options?: CallOptions): Promise<Nodes> {
    return this.#call('GET', '/v1/nodes', undefined, options);
  }

  /** Ends the connections; calls under way are finished first. */
  close(): Promise<void> {
    return this.caller.close();
  }

  async #call<Answer>(
    method: Call['method'],
    path: string,
    body?: unknown,
    { timeoutMs = timeoutMsDefault, signal }: CallOptions = {},
  ): Promise<Answer> {
    const answer = await this.caller.call({ method, path, body, timeoutMs, signal });
    if (answer.status >= 300) throw refusal(answer);
    try {
      const read: unknown = valueOf(answer);
      if (typeof read !== 'object' || read === null) throw new TypeError('the answer is no object');
      return read as Answer;
    } catch (cause) {
      throw new BrokerUnreachable(answer.endpoint ?? 'the broker', true, cause);
    }
  }
}

function isAbout(messages: readonly Message[], { messages: places }: Partial<SentMessages>): boolean {
  if (!Array.isArray(places) || places.length !== messages.length) return false;
  return messages.every(({ id }, index) => {
    const place: unknown = places[index]?.id;
    return typeof place === 'string' && (id === undefined || id === place);
  });
}

/** Code of a refusal that no broker sent: a proxy in between did. */
export const notABroker = 'not-a-broker';

/** The broker's problem; `not-a-broker` where something else answered. */
export function refusal({ status, text, retryAfterMs }: CallAnswer): BrokerRefused {
  const { type, detail, errors } = problemOf(text);
  const known = typeof type === 'string' && type.startsWith(problemPrefix);
  if (!known) return new BrokerRefused(notABroker, status, text.slice(0, 200), [], retryAfterMs);
  const fields = Array.isArray(errors) ? (errors as RefusedField[]) : [];
  return new BrokerRefused(type.slice(problemPrefix.length), status, String(detail ?? ''), fields, retryAfterMs);
}

function problemOf(text: string): { type?: unknown; detail?: unknown; errors?: unknown } {
  try {
    return (JSON.parse(text) as object | null) ?? {};
  } catch {
    return {};
  }
}

const problemPrefix = 'urn:halfbox:problem:';

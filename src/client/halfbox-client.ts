import { Agent, request } from 'undici';
import type {
  Ack,
  Batch,
  BatchResult,
  Message,
  Nack,
  Prepare,
  PreparedTransaction,
  Receive,
  Received,
  ResolvedTransaction,
  SettleResults,
  Transaction,
} from './contract.js';
import { HalfboxError, HalfboxUnreachable } from './halfbox-error.js';

export interface HalfboxClientOptions {
  /** `http://127.0.0.1:3900` */
  url: string;
  /** Sent as `Authorization: Bearer …`. */
  apiKey?: string;
  /** Bound of one call, waiting for deliveries included. Default 35,000. */
  timeoutMs?: number;
  /** Connections to the broker at most. Default 64. */
  connectionsMax?: number;
}

interface SentMessages {
  messages: { id: string; topic: string; shard?: number; offset?: number; deliverAt?: string }[];
}

/**
 * The HTTP contract as calls. Nothing is retried here: with an id of your own every call can be repeated, and the repeat
 * is answered like the first. Every method throws {@link HalfboxError} for a refusal and {@link HalfboxUnreachable} when
 * no answer came.
 */
export class HalfboxClient {
  readonly #agent: Agent;

  constructor(private readonly options: HalfboxClientOptions) {
    this.#agent = new Agent({ connections: options.connectionsMax ?? 64 });
  }

  /** Stores half messages, invisible until the commit. */
  prepare(transaction: Prepare): Promise<PreparedTransaction> {
    return this.#call('POST', '/v1/transactions', transaction);
  }

  /** When it resolves the messages survive any crash and are on their way. `transaction-already-rolled-back`. */
  commit(transactionId: string): Promise<ResolvedTransaction> {
    return this.#call('POST', `/v1/transactions/${encodeURIComponent(transactionId)}/commit`);
  }

  /** When it resolves the messages will never be delivered. `transaction-already-committed`. */
  rollback(transactionId: string): Promise<ResolvedTransaction> {
    return this.#call('POST', `/v1/transactions/${encodeURIComponent(transactionId)}/rollback`);
  }

  /** Prepares, then commits, then rolls back; each item has a result or a problem of its own, in order. */
  batch(items: Batch): Promise<BatchResult> {
    return this.#call('POST', '/v1/transactions/batch', items);
  }

  transaction(transactionId: string): Promise<Transaction> {
    return this.#call('GET', `/v1/transactions/${encodeURIComponent(transactionId)}`);
  }

  /** Sends 1..1000 messages without a transaction, all or none. */
  send(...messages: Message[]): Promise<SentMessages> {
    return this.#call('POST', '/v1/messages', { messages });
  }

  /** Takes deliveries of a subscription of mode `pull`; waits up to `waitMs` for a first one. */
  receive(topic: string, group: string, how: Receive = {}): Promise<Received> {
    return this.#call('POST', `/v1/subscriptions/${topic}/${group}/receive`, how);
  }

  ack(topic: string, group: string, receipts: Ack): Promise<SettleResults> {
    return this.#call('POST', `/v1/subscriptions/${topic}/${group}/ack`, receipts);
  }

  nack(topic: string, group: string, receipts: Nack): Promise<SettleResults> {
    return this.#call('POST', `/v1/subscriptions/${topic}/${group}/nack`, receipts);
  }

  /** Ends the connections; calls under way are finished first. */
  close(): Promise<void> {
    return this.#agent.close();
  }

  async #call<Answer>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<Answer> {
    const { url, apiKey, timeoutMs = 35_000 } = this.options;
    let status: number;
    let retryAfter: string | string[] | undefined;
    let text: string;
    try {
      const response = await request(new URL(path, url), {
        method,
        dispatcher: this.#agent,
        signal: AbortSignal.timeout(timeoutMs),
        headers: {
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      status = response.statusCode;
      retryAfter = response.headers['retry-after'];
      text = await response.body.text();
    } catch (error) {
      throw new HalfboxUnreachable(url, error);
    }
    if (status < 300) return JSON.parse(text) as Answer;
    throw refusal(status, text, retryAfter);
  }
}

function refusal(status: number, text: string, retryAfter: string | string[] | undefined): HalfboxError {
  const retryAfterMs = typeof retryAfter === 'string' ? Number(retryAfter) * 1_000 : undefined;
  try {
    const { type, detail } = JSON.parse(text) as { type: string; detail: string };
    return new HalfboxError(type.replace('urn:halfbox:problem:', ''), status, detail, retryAfterMs);
  } catch {
    // Not the broker's answer: a proxy in between.
    return new HalfboxError('unknown', status, text.slice(0, 200), retryAfterMs);
  }
}

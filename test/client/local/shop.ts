import type { DataSource, EntityManager } from 'typeorm';
import type { Answer, Question } from '../../../src/client/check/answerer.js';
import type { Prepare, PreparedTransaction, ResolvedTransaction } from '../../../src/client/contract.js';
import { Fence, type FenceOptions } from '../../../src/client/local/fence.js';
import { SqlLocalTransactions } from '../../../src/client/local/local-transactions.js';
import type { TransactionCalls } from '../../../src/client/producer/transaction-calls.js';

type Prepared = Prepare & { id: string; instance?: string };

/** Stands for a broker: keeps what it was told. A test replaces an answer. */
export class RecordedCalls implements TransactionCalls {
  readonly prepared: Prepared[] = [];
  readonly committed: string[] = [];
  readonly rolledBack: string[] = [];
  onPrepare = async (transaction: Prepared): Promise<PreparedTransaction> => ({
    id: transaction.id,
    state: 'prepared',
    firstCheckAt: new Date().toISOString(),
    messages: [],
  });
  onCommit = async (id: string): Promise<ResolvedTransaction> => resolved(id, 'committed');
  onRollback = async (id: string): Promise<ResolvedTransaction> => resolved(id, 'rolled_back');

  prepare(transaction: Prepared): Promise<PreparedTransaction> {
    this.prepared.push(transaction);
    return this.onPrepare(transaction);
  }

  commit(id: string): Promise<ResolvedTransaction> {
    this.committed.push(id);
    return this.onCommit(id);
  }

  rollback(id: string): Promise<ResolvedTransaction> {
    this.rolledBack.push(id);
    return this.onRollback(id);
  }
}

function resolved(id: string, state: 'committed' | 'rolled_back'): ResolvedTransaction {
  return { id, state, resolvedBy: 'client', messages: [], durability: 'flushed' };
}

/** One instance of the application. */
export class Shop {
  readonly calls = new RecordedCalls();
  readonly fence: Fence;
  readonly transactions: SqlLocalTransactions;

  constructor(
    readonly dataSource: DataSource,
    options: Partial<FenceOptions> & { endTimeoutMs?: number } = {},
  ) {
    this.fence = new Fence(dataSource, { instance: 'one', ...options });
    this.transactions = new SqlLocalTransactions(this.fence, this.calls, { producer: 'shop', ...options });
  }

  /** What a broker asks about a transaction that another instance prepared `ageMs` ago, unless one is named. */
  ask(transactionId: string, ageMs = 3_600_000, instance = 'gone'): Promise<Answer> {
    return this.fence.answer(question(transactionId, ageMs, instance));
  }

  async orders(): Promise<string[]> {
    const rows = (await this.dataSource.query('SELECT id FROM shop_order ORDER BY id')) as { id: string }[];
    return rows.map(({ id }) => id);
  }

  /** Ids and outcomes of the fence's rows. */
  async rows(): Promise<Record<string, string>> {
    const rows = (await this.dataSource.query('SELECT transaction_id, outcome FROM halfbox_fence')) as {
      transaction_id: string;
      outcome: string;
    }[];
    return Object.fromEntries(rows.map(({ transaction_id, outcome }) => [transaction_id, outcome]));
  }
}

export function question(transactionId: string, ageMs: number, instance: string): Question {
  const askedAt = Date.parse('2025-06-01T12:00:00Z');
  return {
    transactionId,
    producer: 'shop',
    attempt: 1,
    preparedAt: new Date(askedAt - ageMs).toISOString(),
    askedAt: new Date(askedAt).toISOString(),
    instance,
    messages: [],
  };
}

export const message = { topic: 'orders', body: { order: 1 } };

/** Writes an order, as the work of a local transaction. */
export function insertOrder(id: string): (manager: EntityManager) => Promise<string> {
  return async (manager) => {
    await manager.query(`INSERT INTO shop_order (id, note) VALUES ('${id}', 'new')`);
    return id;
  };
}

/** A promise and what settles it. */
export function deferred<Value = void>(): { promise: Promise<Value>; resolve: (value: Value) => void } {
  let resolve!: (value: Value) => void;
  const promise = new Promise<Value>((settle) => (resolve = settle));
  return { promise, resolve };
}

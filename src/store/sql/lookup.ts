import type { TransactionState } from '../../message/transaction.js';
import type { Page } from '../catalog-store.js';
import type { DeliveryStateView } from '../delivery-view.js';
import type { LookupStore, MessageView, TransactionView } from '../lookup-store.js';
import type { SqlDatabase } from './database.js';
import { listTransactions } from './list-transactions.js';
import { getMessage, listMessages } from './lookup-messages.js';
import { getTransaction } from './lookup-transactions.js';
import { readDeliveries } from './read-deliveries.js';
import { transactionStateCode } from './transaction-row.js';

export class SqlLookupStore implements LookupStore {
  constructor(private readonly database: SqlDatabase) {}

  getTransaction(id: string, withBodies: boolean): Promise<TransactionView | null> {
    return getTransaction(this.database, id, withBodies);
  }

  listTransactions(
    filter: { state?: TransactionState; producer?: string; topic?: string },
    after: string | undefined,
    limit: number,
  ): Promise<Page<Omit<TransactionView, 'checks'>>> {
    return listTransactions(this.database, filter, after, limit);
  }

  getMessage(id: string): Promise<MessageView | null> {
    return getMessage(this.database, id);
  }

  deliveriesOf(view: MessageView): Promise<DeliveryStateView[]> {
    return readDeliveries(this.database, view);
  }

  listMessages(
    filter: { topic: string; key: string; from?: number; to?: number },
    after: string | undefined,
    limit: number,
  ): Promise<Page<MessageView>> {
    return listMessages(this.database, filter, after, limit);
  }

  async countOpen(max: number): Promise<{ prepared: number; parked: number }> {
    const count = (state: number) => ({
      sql: `SELECT COUNT(*) AS open_count FROM
        (SELECT id FROM halfbox_transaction WHERE state = ? LIMIT ${Math.floor(max)}) some`,
      params: [state],
    });
    const [prepared, parked] = await this.database.read(
      count(transactionStateCode.prepared),
      count(transactionStateCode.parked),
    );
    return {
      prepared: Number(prepared?.rows[0]?.['open_count'] ?? 0),
      parked: Number(parked?.rows[0]?.['open_count'] ?? 0),
    };
  }
}

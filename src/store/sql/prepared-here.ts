import { orderingKeyHash } from '../../message/ordering-key.js';
import type { AppendItem, PrepareItem } from '../half-store.js';
import { isDue } from './append-batch.js';
import { ShardPlan } from './shard-plan.js';

/** What decides the shard of a message. */
interface Addressed {
  topic: string;
  orderingKey?: string | undefined;
  delayMs?: number | undefined;
  deliverAt?: number | undefined;
}

/** The topic alone where the transaction is one message that nothing else decides about: most are. */
type Remembered = string | Addressed[];

/** Transactions of one of the two generations that are remembered. */
const transactionsMax = 50_000;

/**
 * Where the transactions that this node prepared will be appended, so that their commit can lock the shards in the round
 * trip that locks their rows. Only a guess: what is appended is decided by the rows.
 */
export class PreparedHere {
  #young = new Map<string, Remembered>();
  #old = new Map<string, Remembered>();

  /** To be called when the transaction is stored. */
  remember({ transactionId, messages }: PrepareItem): void {
    if (this.#young.size >= transactionsMax) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(transactionId, messages.length === 1 ? compact(messages[0]!) : messages.map(addressOf));
  }

  /** To be called when the transaction is resolved. */
  forget(transactionId: string): void {
    if (!this.#young.delete(transactionId)) this.#old.delete(transactionId);
  }

  /**
   * The shards that a batch will need, by topic; null where that is not known, or there is nothing to lock before.
   * @param shardsOf how many shards a topic has, as far as known
   * @param turn number of the batch (see `ShardPlan`)
   */
  shardsFor(
    items: AppendItem[],
    shardsOf: (topic: string) => number | undefined,
    turn: number,
    now: number,
  ): Map<string, Set<number>> | null {
    const counted = new Map<string, number>();
    const plan = new ShardPlan(counted, turn);
    const require = (message: Addressed): boolean => {
      const shards = counted.get(message.topic) ?? shardsOf(message.topic);
      if (shards === undefined) return false;
      counted.set(message.topic, shards);
      const { orderingKey } = message;
      const keyed = orderingKey !== undefined && isDue(message, now);
      plan.require(message.topic, keyed ? orderingKeyHash(orderingKey) : undefined);
      return true;
    };
    for (const item of items) {
      if (item.kind === 'rollback') continue;
      const messages = item.kind === 'send' ? item.messages : this.#messagesOf(item.transactionId);
      if (!messages?.every(require)) return null;
    }
    return plan.wanted.size > 0 ? plan.wanted : null;
  }

  #messagesOf(transactionId: string): Addressed[] | undefined {
    const remembered = this.#young.get(transactionId) ?? this.#old.get(transactionId);
    return typeof remembered === 'string' ? [{ topic: remembered }] : remembered;
  }
}

function compact(message: Addressed): Remembered {
  const { topic, orderingKey, delayMs, deliverAt } = message;
  const plain = orderingKey === undefined && delayMs === undefined && deliverAt === undefined;
  return plain ? topic : [addressOf(message)];
}

/** Without the rest of the message, whose body would stay in memory. */
function addressOf({ topic, orderingKey, delayMs, deliverAt }: Addressed): Addressed {
  return { topic, orderingKey, delayMs, deliverAt };
}

/** A live broker process. */
export interface NodeRow {
  id: string;
  /** Where other nodes and clients reach it. */
  url: string;
  version: string;
  startedAt: number;
  expiresAt: number;
}

export interface NodeStore {
  /** Registers this node, or renews its one row; every lease it holds lasts as long. */
  renew(node: NodeRow): Promise<void>;
  /** Deletes the node's row and those of the streams that it held. */
  remove(id: string): Promise<void>;
  /** Nodes whose lease has not ended, with how many subscriptions each owns. */
  live(now: number): Promise<(NodeRow & { subscriptions: number })[]>;
  /** Deletes rows that ended before `before`, with those of the streams that these nodes held. */
  removeExpired(before: number): Promise<void>;
  /** What identifies this store, and the secret by which its nodes know each other; made at the first call. */
  identity(): Promise<{ storeId: string; nodeSecret: string }>;
}

/** A topic as stored. `shards` is fixed at creation. */
export interface Topic {
  name: string;
  shards: number;
  retentionMs: number;
  bodyBytesMax: number;
  createdAt: number;
}

/** How a producer is asked: by a signed HTTP POST, or over a named transport. */
export type CheckBackWay = { type: 'http'; url: string } | { type: 'microservice'; transport: string; pattern: string };

/** A producer and the way to ask it. */
export interface Producer {
  name: string;
  checkBack?: CheckBackWay;
  /** Absent: the broker's setting. */
  firstCheckAfterMs?: number;
  checkIntervalMs?: number;
  checkMax?: number;
  createdAt: number;
}

/** Signing secrets (`whsec_…`): the current one, and the one before while it still signs. */
export interface SigningSecrets {
  current: string;
  previous?: string;
  previousUntil?: number;
}

export interface AuditEntry {
  at: number;
  actor: string;
  action: string;
  target: string;
  reason?: string;
}

export interface Page<T> {
  items: T[];
  /** Pass as `after` for the next page; null on the last one. */
  next: string | null;
}

/** Topics, producers and the audit trail. */
export interface CatalogStore {
  /** Creates the topic with its shard rows, or changes its retention and body bound. `already-exists` (409) when `shards` differs. */
  putTopic(topic: Topic): Promise<Topic>;
  /** Creates the topic unless it is there; answers what is there. */
  ensureTopic(topic: Topic): Promise<Topic>;
  getTopic(name: string): Promise<Topic | null>;
  listTopics(after: string | undefined, limit: number): Promise<Page<Topic>>;
  /** Deletes the topic, its subscriptions and messages. `not-empty` unless `force` when anything in it is unsettled, retrying, dead, scheduled or half. False when there is none. */
  deleteTopic(name: string, force: boolean): Promise<boolean>;
  /** Creates or replaces; a secret is made by the caller and kept only where there is none yet. Answers the secrets in force. */
  putProducer(producer: Producer, newSecret: string | undefined): Promise<SigningSecrets | null>;
  ensureProducer(producer: Producer): Promise<Producer>;
  getProducer(name: string): Promise<{ producer: Producer; secrets: SigningSecrets | null } | null>;
  listProducers(after: string | undefined, limit: number): Promise<Page<Producer>>;
  /** `not-empty` unless `force` while a transaction of the producer is open. */
  deleteProducer(name: string, force: boolean): Promise<boolean>;
  rotateProducerSecret(name: string, newSecret: string, previousUntil: number): Promise<SigningSecrets | null>;
  audit(entry: AuditEntry): Promise<void>;
  listAudit(after: string | undefined, limit: number): Promise<Page<AuditEntry>>;
}

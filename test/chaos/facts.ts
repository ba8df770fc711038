/** What the workload writes down about itself, as the audit reads it. Times (`at`) are epoch ms. */

/** How a message is sent: a local transaction (messages known before, or found by the work), raw HTTP, a plain send, the outbox. */
export type Way = 'local' | 'local-open' | 'raw' | 'plain' | 'outbox';

/**
 * What its producer means to happen: `local`: whatever the application's database says in the end; `send`: visible as soon as the
 * broker has it; the others: what a check-back is answered.
 */
export type Decision = 'local' | 'send' | 'commit' | 'rollback' | 'unknown';

export interface IntendedMessage {
  id: string;
  topic: string;
  tag?: string;
  orderingKey?: string;
}

/** Written before the first call about it. */
export interface Intended {
  kind: 'intended';
  /** Names what is done; the application's row has the same name. */
  order: string;
  way: Way;
  decision: Decision;
  transaction?: string;
  /** Its producer cannot be asked. */
  mute?: true;
  messages: IntendedMessage[];
}

/** A broker has answered for good. */
export interface Answered {
  kind: 'answered';
  order: string;
  what: 'prepared' | 'committed' | 'rolled_back' | 'sent';
  places: { id: string; shard?: number | undefined; offset?: number | undefined }[];
}

/** The opposite of a resolution that was answered before was asked for. */
export interface Contradicted {
  kind: 'contradicted';
  order: string;
  /** Whether the broker went along with it, as it never should. */
  accepted: boolean;
}

/** A call got no answer, or one that promises nothing: what it did is not known. */
export interface Lost {
  kind: 'lost';
  order: string;
  error: string;
}

/** The application's call came to an end: what it was told. */
export interface Finished {
  kind: 'finished';
  order: string;
  how: string;
}

export type ProducerEntry = Intended | Answered | Contradicted | Lost | Finished;

/** A consumer has a delivery in hand. */
export interface Got {
  kind: 'got';
  group: string;
  id: string;
  attempt: number;
  shard?: number | undefined;
  offset?: number | undefined;
  orderingKey?: string | undefined;
  /** When the call that brought it was made, where the consumer makes one. */
  asked?: number | undefined;
}

/** Its handler has ended; written before the broker is told. */
export interface Handled {
  kind: 'handled';
  group: string;
  id: string;
  attempt: number;
  how: 'ack' | 'nack';
}

/** What the broker answered to it, where the consumer hears that. */
export interface Told {
  kind: 'told';
  group: string;
  id: string;
  attempt: number;
  how: 'ack' | 'nack';
  /** Absent: the call had no answer. */
  ok?: boolean;
}

/** A consumer was told that what it has in hand is no longer its own. */
export interface ClaimLost {
  kind: 'claim-lost';
  group: string;
  id: string;
}

export type ConsumerEntry = Got | Handled | Told | ClaimLost;

/** Body of every message. */
export interface Body {
  order: string;
  /** How many attempts of it fail at each consumer. */
  fails: number;
}

/** Name of a subscription in journals: topic and group. */
export type SubscriptionName = `${string}/${string}`;

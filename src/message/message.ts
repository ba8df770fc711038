/** A message's body as it is stored: JSON text, or raw bytes. A JSON body keeps the text it was serialised to. */
export type MessageBody = { json: string; bytes?: undefined } | { bytes: Buffer; json?: undefined };

/** Bytes of a body as it is stored: those of a JSON text in UTF-8. */
export function bodyBytes(body: MessageBody): number {
  return body.json !== undefined ? Buffer.byteLength(body.json) : body.bytes.length;
}

/** What a message is, apart from where it lies: the fields that its sender gave. */
export interface MessageContent {
  topic: string;
  /** Business key, for look-ups. */
  key?: string;
  tag?: string;
  /** Messages with the same ordering key in a topic are handled one at a time, in offset order. */
  orderingKey?: string;
  headers?: Record<string, string>;
  /** Wait this long after the commit (or the send) before delivery. Excludes `deliverAt`. */
  delayMs?: number;
  /** Deliver at this time (epoch ms). Excludes `delayMs`. */
  deliverAt?: number;
  contentType?: string;
  body: MessageBody;
}

/** A message as a producer gives it. Without an id one is made. */
export interface NewMessage extends MessageContent {
  id?: string;
}

/** A message with its id, ready to be stored. */
export interface IdentifiedMessage extends MessageContent {
  id: string;
  /** True where the sender chose the id: a repeat must then name the same one. */
  idGiven: boolean;
}

/** A message as it is read back from the store. */
export interface StoredMessage extends MessageContent {
  id: string;
  transactionId?: string;
  /** When the broker took it in (epoch ms of the store's clock). */
  storedAt: number;
}

/** Where a visible message lies in its topic. Offsets of a shard start at 0 and have no gaps. */
export interface Placement {
  shard: number;
  offset: number;
}

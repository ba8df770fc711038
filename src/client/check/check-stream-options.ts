import type { Logger } from '../../runtime/logger.js';
import type { BrokerRefused } from '../errors.js';
import type { Answerer } from './answerer.js';

export interface CheckStreamOptions {
  /** URLs of brokers of one store, the preferred ones first; asked for again before every connection. */
  endpoints: () => readonly string[];
  /** Sent as `Authorization: Bearer …`. */
  apiKey?: string | undefined;
  producer: string;
  /** Names this process, as its prepares do: 1..64 characters of an id. */
  instance: string;
  answerer: Answerer;
  /** Questions that are being answered at once. Default 16. */
  answersMax?: number | undefined;
  /** Questions that wait for that; beyond them they are not answered. Default 240. */
  waitingMax?: number | undefined;
  /** Bound of one answer, its waiting included; after it the broker is told that there is none. Default 5,000. */
  answerTimeoutMs?: number | undefined;
  /** First wait before another try to connect; doubles while no connection lasts. Default 100. */
  reconnectMsMin?: number | undefined;
  /** The longest such wait. Default 5,000. */
  reconnectMsMax?: number | undefined;
  /** Bound of one try to connect. Default 5,000. */
  connectTimeoutMs?: number | undefined;
  /** Default: nothing is logged. */
  logger?: Logger | undefined;
}

/** What happens to a stream, for logs and tests. */
export interface CheckStreamEvents {
  connected: { url: string };
  /** `code` of the WebSocket protocol: 1001 the broker stops, 1006 the connection broke. */
  disconnected: { url: string; code: number; reason: string };
  /** A broker did not take the stream: a wrong key, another's producer, or no room. Another try follows. */
  refused: { url: string; error: BrokerRefused };
  /** A question that this process did not answer. */
  unanswered: { transactionId: string; error: unknown };
}

export const checkStreamDefaults = {
  answersMax: 16,
  waitingMax: 240,
  answerTimeoutMs: 5_000,
  reconnectMsMin: 100,
  reconnectMsMax: 5_000,
  connectTimeoutMs: 5_000,
};

import {
  BrokerRefused,
  BrokerUnreachable,
  NotSerializable,
  ProducerClosed,
  SendBufferFull,
  SendFailed,
} from '../../errors.js';
import { UnreadableMessage } from './outbox-errors.js';

/**
 * What a failed send says. `refused`: this message will never be stored as it is. `away`: nobody can store anything now.
 * `unclear`: it may lie in the message or in the broker.
 */
export type SendFailure = 'refused' | 'away' | 'unclear';

/** Refusals that are about who asks, or how much, and not about the message. */
const notAboutTheMessage = new Set([401, 403, 407, 408, 421, 425, 429, 503]);

export function readSendFailure(error: unknown): SendFailure {
  if (error instanceof SendFailed && error.cause !== undefined) return readSendFailure(error.cause);
  if (error instanceof NotSerializable || error instanceof UnreadableMessage) return 'refused';
  if (error instanceof BrokerUnreachable || error instanceof SendBufferFull || error instanceof ProducerClosed)
    return 'away';
  if (!(error instanceof BrokerRefused)) return 'unclear';
  const { status, code } = error;
  if (notAboutTheMessage.has(status)) return 'away';
  // Something else than a broker answered. A proxy's bound of a request is about this message, all else is not.
  if (code === 'not-a-broker') return status === 413 ? 'refused' : 'away';
  return status >= 400 && status < 500 ? 'refused' : 'unclear';
}

const errorLengthMax = 1_000;

/** What an operator reads of a failure. ASCII, since nobody knows what a connection to the database can carry. */
export function errorText(error: unknown): string {
  const cause = error instanceof SendFailed && error.cause !== undefined ? error.cause : error;
  const fields =
    cause instanceof BrokerRefused ? cause.fields.slice(0, 5).map(({ path, reason }) => `; ${path}: ${reason}`) : [];
  const text = cause instanceof Error ? cause.message : String(cause);
  return `${text}${fields.join('')}`.replace(/[^\x20-\x7e]/g, '?').slice(0, errorLengthMax);
}

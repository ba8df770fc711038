import type { Message } from '../contract.js';
import { BrokerRefused, NotSerializable, ProducerClosed, SendBufferFull } from '../errors.js';

/**
 * Why a one-way message was dropped: there was no room for it, its body cannot be written as JSON, the broker refused it,
 * all tries failed (it may be stored nevertheless), or the producer was closed.
 */
export type DropReason = 'buffer-full' | 'not-serializable' | 'refused' | 'failed' | 'closed';

export interface Drop {
  reason: DropReason;
  message: Message;
  error: Error;
}

/** How many one-way messages were dropped, by reason. */
export type DropCounts = Record<DropReason, number>;

export const noDrops: DropCounts = { 'buffer-full': 0, 'not-serializable': 0, refused: 0, failed: 0, closed: 0 };

export function dropReason(error: Error): DropReason {
  if (error instanceof SendBufferFull) return 'buffer-full';
  if (error instanceof NotSerializable) return 'not-serializable';
  if (error instanceof BrokerRefused) return 'refused';
  return error instanceof ProducerClosed ? 'closed' : 'failed';
}

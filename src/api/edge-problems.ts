import { Problem } from '../message/problem.js';

/** Refusal of a request whose body has more than `bounds.requestBytesMax`. */
export function requestTooLarge(): Problem {
  return new Problem('body-too-large', 'the request is larger than 16 MiB');
}

/** Refusal of a request that comes while the broker stops. */
export function nodeStopping(): Problem {
  return new Problem('unavailable', 'this node is stopping', { retryAfterMs: 1_000 });
}

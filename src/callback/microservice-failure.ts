/**
 * - `unreachable`: no connection, or nobody listens for the pattern;
 * - `timeout`: no answer or confirmation in time: it may have been taken all the same;
 * - `refused`: the transport takes this message never, for example because it is too large;
 * - `invalid`: somebody answered, but not with a value.
 */
export type MicroserviceFailureKind = 'unreachable' | 'timeout' | 'refused' | 'invalid';

/** A message did not get through over a named transport. The text is short and names neither addresses nor what was sent. */
export class MicroserviceFailure extends Error {
  constructor(
    readonly kind: MicroserviceFailureKind,
    message: string,
  ) {
    super(message);
    this.name = 'MicroserviceFailure';
  }
}

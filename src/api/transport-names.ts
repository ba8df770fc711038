import { Problem } from '../message/problem.js';

/** The named transports of this broker, as far as the API knows them. */
export interface TransportNames {
  /** Those that can be forwarded to. */
  readonly names: readonly string[];
  /** Those over which a producer can be asked. */
  readonly askableNames: readonly string[];
}

/** @throws Problem `validation-failed` at the field when the transport is none of these names */
export function requireTransport(transport: string, names: readonly string[], path: string): void {
  if (names.includes(transport)) return;
  const known = names.length === 0 ? 'HALFBOX_MICROSERVICES names none' : `the transports are ${names.join(', ')}`;
  const reason = `no such transport; ${known}`;
  throw new Problem('validation-failed', `${path}: ${reason}`, { fields: [{ path, reason }] });
}

import { MicroserviceFailure } from '../../callback/microservice-failure.js';

/** Errors by which a client says that it will never take this message: too large, or a subject that cannot be. */
const refusals = new Set(['InvalidArgumentError', 'InvalidSubjectError', 'KafkaJSProtocolError']);

/** Errors by which a transport says that nobody was there to receive. */
const unheard = new Set(['NobodyListens', 'EmptyResponseException']);

/** What a server of `@nestjs/microservices` answers where no handler has the pattern. */
const noHandler = 'There is no matching message handler defined in the remote service.';

/** Why a message was not confirmed. */
export function emitFailure(error: unknown): MicroserviceFailure {
  if (error instanceof MicroserviceFailure) return error;
  const name = error instanceof Error ? error.name : '';
  if (unheard.has(name)) return new MicroserviceFailure('unreachable', 'nobody listens for the pattern');
  if (refusals.has(name)) return new MicroserviceFailure('refused', `the transport refused the message: ${name}`);
  return new MicroserviceFailure('unreachable', reasonOf(error));
}

/** Why a question was not answered. What a handler threw arrives as plain data, what our side met as an `Error`. */
export function askFailure(error: unknown): MicroserviceFailure {
  if (error instanceof MicroserviceFailure) return error;
  const name = error instanceof Error ? error.name : '';
  if (name === 'EmptyError') return new MicroserviceFailure('invalid', 'the handler answered nothing');
  if (error === noHandler || unheard.has(name)) {
    return new MicroserviceFailure('unreachable', 'nobody listens for the pattern');
  }
  if (error instanceof Error) return new MicroserviceFailure('unreachable', reasonOf(error));
  return new MicroserviceFailure('invalid', 'the handler failed');
}

/**
 * Why there is no connection, as a code where there is one. Never the error's own text: it may hold the address, and
 * with it a password.
 */
export function reasonOf(error: unknown): string {
  const inner = (error as { err?: unknown } | null)?.err ?? error;
  const code = (inner as { code?: unknown } | null)?.code;
  if (typeof code === 'number') return `no connection: ${code}`;
  return typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,63}$/.test(code) ? `no connection: ${code}` : 'no connection';
}

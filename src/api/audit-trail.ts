import type { FastifyRequest } from 'fastify';
import { callerOf } from './caller.js';
import type { Services } from './services.js';

/** Writes down who did something that cannot be undone. */
export function audit(
  { store, clock }: Pick<Services, 'store' | 'clock'>,
  request: FastifyRequest,
  action: string,
  target: string,
  reason?: string,
): Promise<void> {
  return store.catalog.audit({ at: clock.now(), actor: callerOf(request).name, action, target, reason });
}

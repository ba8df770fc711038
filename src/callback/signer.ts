import { createHmac, randomBytes } from 'node:crypto';
import type { SigningSecrets } from '../store/catalog-store.js';

/** How long the secret before a rotation signs too. */
export const previousSecretSignsMs = 24 * 3_600_000;

const secretPrefix = 'whsec_';

/** A new signing secret: `whsec_` and the base64 of 32 random bytes. */
export function newSecret(): string {
  return secretPrefix + randomBytes(32).toString('base64');
}

/**
 * The headers that sign a body by Standard Webhooks 1.0: `webhook-id`, `webhook-timestamp` (seconds) and
 * `webhook-signature`. After a rotation the previous secret signs as well until `previousUntil`; the signatures are
 * separated by a space.
 * @param id the same for every try of the same thing, so that receivers can tell repeats
 * @param now epoch ms
 */
export function signedHeaders(secrets: SigningSecrets, id: string, body: string, now: number): Record<string, string> {
  // A full stop separates what is signed, so an id must not have one; `~` is in none of our ids.
  const webhookId = id.replaceAll('.', '~');
  const timestamp = Math.floor(now / 1000).toString();
  const keys = [secrets.current];
  if (secrets.previous !== undefined && (secrets.previousUntil ?? 0) > now) keys.push(secrets.previous);
  const signatures = keys.map((secret) => `v1,${signature(secret, `${webhookId}.${timestamp}.`, body)}`);
  return {
    'webhook-id': webhookId,
    'webhook-timestamp': timestamp,
    'webhook-signature': signatures.join(' '),
  };
}

// By node:crypto and not by the standardwebhooks package (with which the tests verify it): the package hashes in
// JavaScript and holds the event loop for half a second on a body of 4 MiB.
function signature(secret: string, prefix: string, body: string): string {
  const key = Buffer.from(secret.slice(secretPrefix.length), 'base64');
  return createHmac('sha256', key).update(prefix).update(body).digest('base64');
}

import { createHmac, timingSafeEqual } from 'node:crypto';

const secretPrefix = 'whsec_';

/** The headers of a request, in lower case, as Node gives them. */
export type RequestHeaders = Record<string, string | string[] | undefined>;

/**
 * Whether a body was signed with one of the secrets (Standard Webhooks 1.0), not longer ago than the tolerance. By
 * node:crypto: the `standardwebhooks` package hashes in JavaScript and holds the event loop for half a second on a body of
 * 4 MiB.
 * @param now epoch ms
 */
export function isSigned(
  headers: RequestHeaders,
  body: Uint8Array,
  secrets: readonly string[],
  toleranceMs: number,
  now: number,
): boolean {
  const [id, timestamp, signatures] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map(
    (name) => headers[name],
  );
  if (typeof id !== 'string' || typeof timestamp !== 'string' || typeof signatures !== 'string') return false;
  if (!/^\d{1,15}$/.test(timestamp) || Math.abs(now - Number(timestamp) * 1_000) > toleranceMs) return false;
  const given = signatures
    .split(' ')
    .filter((signature) => signature.startsWith('v1,'))
    .map((signature) => Buffer.from(signature.slice('v1,'.length), 'base64'));
  return secrets.some((secret) => {
    const key = Buffer.from(secret.startsWith(secretPrefix) ? secret.slice(secretPrefix.length) : secret, 'base64');
    // Of a setting that is missing: anybody could sign by it.
    if (key.length === 0) return false;
    const expected = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest();
    return given.some((signature) => signature.length === expected.length && timingSafeEqual(signature, expected));
  });
}

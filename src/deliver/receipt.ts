import { createHash } from 'node:crypto';
import type { DeliveryId } from '../relay/owned-subscription.js';

const pattern = /^[A-Za-z0-9_-]{8}(~[0-9a-z]{1,11}){4,5}$/;

/** Stands for a subscription in its receipts, so that one of another subscription is never taken for its own. */
export function receiptMark(topic: string, group: string): string {
  return createHash('sha1').update(`${topic}.${group}`).digest().subarray(0, 6).toString('base64url');
}

/**
 * The token of one try as a pulling consumer gets it: names the subscription, shard, offset, attempt and generation, and
 * how often the try was released before, where it was.
 */
export function receiptOf(mark: string, { shard, offset, attempt, generation }: DeliveryId, releases = 0): string {
  const place = `${mark}~${shard.toString(36)}~${offset.toString(36)}~${attempt.toString(36)}~${generation.toString(36)}`;
  return releases === 0 ? place : `${place}~${releases.toString(36)}`;
}

/** What a receipt names. */
export interface ReadReceipt extends DeliveryId {
  releases: number;
}

/** What a receipt names; `malformed` where it never was one, `foreign` where it is another subscription's. */
export function readReceipt(mark: string, receipt: string): ReadReceipt | 'malformed' | 'foreign' {
  if (!pattern.test(receipt)) return 'malformed';
  const parts = receipt.slice(9).split('~');
  const [shard, offset, attempt, generation, releases = 0] = parts.map((part) => Number.parseInt(part, 36)) as [
    number,
    number,
    number,
    number,
    number?,
  ];
  return receipt.startsWith(mark) ? { shard, offset, attempt, generation, releases } : 'foreign';
}

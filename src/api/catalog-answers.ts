import { isoTime } from '../message/message-json.js';
import type { Producer, Topic } from '../store/catalog-store.js';
import type { DeadLetter } from '../store/dead-letter-store.js';
import type { Subscription, SubscriptionCounts } from '../store/subscription-store.js';

export function topicAnswer({ name, shards, retentionMs, bodyBytesMax, createdAt }: Topic) {
  return { topic: name, shards, retentionMs, maxBodyBytes: bodyBytesMax, createdAt: isoTime(createdAt) };
}

export function producerAnswer(producer: Producer, reachable: boolean) {
  const { name, createdAt, ...settings } = producer;
  return { producer: name, ...settings, reachable, createdAt: isoTime(createdAt) };
}

export function subscriptionAnswer(subscription: Subscription, counts: SubscriptionCounts) {
  const { topic, group, config, paused, pausedReason, owner, createdAt } = subscription;
  const { oldestUnsettledAt, ...numbers } = counts;
  return {
    topic,
    group,
    ...config,
    paused,
    ...(pausedReason === undefined ? {} : { pausedReason }),
    owner,
    createdAt: isoTime(createdAt),
    ...numbers,
    ...(oldestUnsettledAt === undefined ? {} : { oldestUnsettledAt: isoTime(oldestUnsettledAt) }),
  };
}

export function deadLetterAnswer({ firstFailedAt, diedAt, ...letter }: DeadLetter) {
  return { ...letter, firstFailedAt: isoTime(firstFailedAt), diedAt: isoTime(diedAt) };
}

import type { CallbackClient } from '../callback/callback-client.js';
import { ExternalForwardConsumer } from '../deliver/external-forward.js';
import type { ExternalSender } from '../deliver/external-sender.js';
import { ForwardConsumer, type Send } from '../deliver/forward.js';
import { PushConsumer } from '../deliver/push.js';
import { QueueBridge } from '../deliver/queue-bridge.js';
import type { QueueBridgeEvents } from '../deliver/queue-bridge-settings.js';
import type { Clock } from '../message/clock.js';
import type { QueueEngine } from '../queue/queue-engine.js';
import type { ConsumerFactory, SubscriptionConsumer } from '../relay/owned-subscription.js';
import type { Events } from '../runtime/events.js';
import type { Logger } from '../runtime/logger.js';

export interface ConsumerParts {
  engine: QueueEngine;
  queueEvents: Events<QueueBridgeEvents>;
  client: CallbackClient;
  /** Pauses a subscription whose push target has gone, and lets its owner know. */
  pause: (topic: string, group: string, reason: string) => Promise<unknown>;
  send: Send;
  sender: ExternalSender;
  clock: Clock;
  logger: Logger;
  /** Bound of a consumer's stop. */
  stopMs: number;
}

/** The consumer for each mode of subscription. */
export function consumerFactory(parts: ConsumerParts): ConsumerFactory {
  const { engine, queueEvents, client, pause, send, sender, clock, logger, stopMs } = parts;
  return (owned) => {
    switch (owned.config.mode) {
      case 'pull':
        return null;
      case 'queue':
        return new QueueBridge(owned, { engine, clock, logger, events: queueEvents });
      case 'push':
        return new PushConsumer(owned, { client, pause, clock, logger, stopMs });
      case 'forward':
        // The target's kind can change while the subscription is owned: each takes only what is for its own.
        return together(
          new ForwardConsumer(owned, { send, logger }),
          new ExternalForwardConsumer(owned, { sender, logger, stopMs }),
        );
    }
  };
}

/** Consumers that share one subscription. */
function together(...consumers: SubscriptionConsumer[]): SubscriptionConsumer {
  return {
    start: async () => void (await Promise.all(consumers.map((consumer) => consumer.start()))),
    stop: async () => void (await Promise.all(consumers.map((consumer) => consumer.stop()))),
  };
}

import { Inject, Injectable } from '@nestjs/common';
import { eachLimited } from '../runtime/each-limited.js';
import type { Subscription } from '../store/subscription-store.js';
import { ChangeNotice } from './change-notice.js';
import { SERVICES, type Services } from './services.js';

interface Named {
  topic: string;
  group: string;
}

/** Subscriptions that are handled at once. */
const concurrency = 8;
const pageMax = 500;

/** What follows a change of subscriptions: the nodes that deliver them hear of it, and queues of deleted ones go. */
@Injectable()
export class SubscriptionChanges {
  constructor(
    @Inject(SERVICES) private readonly services: Services,
    private readonly notice: ChangeNotice,
  ) {}

  /** The subscriptions of a topic. */
  async ofTopic(topic: string): Promise<Subscription[]> {
    const all: Subscription[] = [];
    let after: string | undefined;
    do {
      const page = await this.services.store.subscriptions.list(after, pageMax, topic);
      all.push(...page.items);
      after = page.next ?? undefined;
    } while (after !== undefined);
    return all;
  }

  /** Resolves when their owners go by the change. */
  changed(subscriptions: Named[]): Promise<void> {
    return eachLimited(subscriptions, concurrency, ({ topic, group }) => this.notice.changed(topic, group));
  }

  /** After they were deleted from the store. An engine that is away keeps a queue that nobody reads. */
  removed(subscriptions: Subscription[]): Promise<void> {
    return eachLimited(subscriptions, concurrency, async ({ topic, group, config }) => {
      await this.notice.changed(topic, group);
      if (config.mode !== 'queue') return;
      try {
        await this.services.removeQueue(topic, group);
      } catch (error) {
        this.services.logger.warn({ err: error, topic, group }, 'the queue of a deleted subscription is left behind');
      }
    });
  }
}

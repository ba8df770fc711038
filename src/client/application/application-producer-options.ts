import type { InboxOptions } from '../local/inbox/inbox.js';
import type { RedisInboxOptions } from '../local/inbox/redis-inbox.js';
import type { ProducerSettings } from '../producer/producer.js';
import type { SendSettingOptions } from '../producer/send-settings.js';
import type { ForwardedOutboxOptions } from './forwarded-outbox.js';

/** One producer of an application, and what belongs to it. */
export interface ApplicationProducerOptions extends SendSettingOptions {
  /** Its name, 1..64 of `[A-Za-z0-9_-]`: the same in every instance of the application. */
  producer: string;
  /**
   * Makes an `Outbox` on the `dataSource`, and forwards its messages through this producer. At the end what this process has
   * written is sent first, as far as the time allows. One producer of a database has one.
   */
  outbox?: boolean | ForwardedOutboxOptions | undefined;
  /**
   * Makes an `Inbox` on the `dataSource`, and deletes its old rows. With `redis` (a client that the application has, and
   * closes) it is the weak `RedisInbox` instead, which needs no `dataSource`.
   */
  inbox?: boolean | Omit<InboxOptions, 'logger'> | RedisInboxOptions | undefined;
  /** The longest that a local transaction may take. Default 60,000. The same in every instance. */
  localTransactionMsMax?: number | undefined;
  /** How long rows of `halfbox_fence` are kept. Default 30 days. The same in every instance. */
  fenceRetentionMs?: number | undefined;
  /** Names this process, 1..64 of `[A-Za-z0-9_.:-]`. Default: a new UUIDv7. */
  instance?: string | undefined;
  /** Told of each one-way message that was dropped. */
  onDrop?: ProducerSettings['onDrop'];
}

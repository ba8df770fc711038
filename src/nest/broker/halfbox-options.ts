import type { TopicSettings } from '../../client/contract.js';
import type { AnyTopics, TopicMap } from '../../client/producer/topic-map.js';
import type { SettingOptions } from '../../config/settings.js';
import type { Logger } from '../../runtime/logger.js';

/** A broker inside the application: the settings of the server by the same names, and how it is embedded. */
export interface HalfboxModuleOptions<Topics extends TopicMap = AnyTopics> extends SettingOptions {
  /**
   * Whether it listens for HTTP, at `host` and `port`, beside the application's own server. Default true. With `false`
   * only this application can use it, and it must be the only broker on its database (it does not start beside another).
   */
  api?: boolean | undefined;
  /** Topics that are created at the start, or changed where they are there. `shards` is fixed at creation. */
  topics?: { readonly [Topic in keyof Topics & string]?: TopicSettings } | undefined;
  /** Default: Nest's logger, from `info` on; `logLevel` counts for the server only. */
  logger?: Logger | undefined;
}

/** Injects {@link HalfboxModuleOptions}. */
export const HALFBOX_OPTIONS = Symbol('HALFBOX_OPTIONS');

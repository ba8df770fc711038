import type { CheckObserver } from '../check/check-observer.js';
import type { Settings } from '../config/settings.js';
import type { HalfObserver } from '../half/half-observer.js';
import type { Clock } from '../message/clock.js';
import type { RelaySettings } from '../relay/relay-settings.js';
import type { OverdueBacklog } from '../retention/overdue-backlogs.js';
import type { RetentionObserver } from '../retention/retention.js';
import type { Logger } from '../runtime/logger.js';
import type { MessageStore } from '../store/message-store.js';
import type { Engine } from './engine.js';

/** Who is told what the broker does, for metrics. All may be left out. */
export interface BrokerObservers {
  check?: CheckObserver;
  retention?: RetentionObserver;
  overdueBacklogs?: (overdue: OverdueBacklog[]) => void;
  half?: HalfObserver;
}

/** What a broker is wired of. The store and the engine are closed with it. */
export interface BrokerParts {
  /** Names this node among those of its store; never used twice. Default: a new one. */
  id?: string;
  settings: Settings;
  store: MessageStore;
  engine: Engine;
  logger: Logger;
  version: string;
  /** Where other nodes and clients reach this node. */
  url: string;
  observers?: BrokerObservers;
  /** Default: the store's clock. */
  clock?: Clock | undefined;
  relay?: Partial<RelaySettings> | undefined;
}

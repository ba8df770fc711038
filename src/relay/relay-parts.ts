import type { Clock } from '../message/clock.js';
import type { Events } from '../runtime/events.js';
import type { Logger } from '../runtime/logger.js';
import type { LaneStore } from '../store/lane-store.js';
import type { MessageReader } from './message-reader.js';
import type { ReadAhead } from './read-ahead.js';
import type { RelayEvents } from './relay-events.js';
import type { RelaySettings } from './relay-settings.js';
import type { SettleGroup } from './settle-group.js';

/** What the owned subscriptions of a node share. */
export interface RelayParts {
  store: LaneStore;
  messages: MessageReader;
  settleGroup: SettleGroup;
  readAhead: ReadAhead;
  settings: RelaySettings;
  clock: Clock;
  logger: Logger;
  events: Events<RelayEvents>;
  /** 0 ≤ value < 1, for jitter. */
  random(): number;
  /** Whether this node's lease is known to last. While it is not, nothing is given out. */
  leaseHolds(): boolean;
}

import type { QueueBridgeEvents } from '../../src/deliver/queue-bridge-settings.js';
import { Events } from '../../src/runtime/events.js';

/** What bridges have told, added up by event. */
export type BridgeCounts = Record<keyof QueueBridgeEvents, number>;

export const noCounts: Readonly<BridgeCounts> = { ignored: 0, engineLost: 0, workerLost: 0, misnamed: 0 };

/** Events for a bridge; what it tells by them is added to `counts`. */
export function countedIn(counts: BridgeCounts): Events<QueueBridgeEvents> {
  const events = new Events<QueueBridgeEvents>();
  for (const name of Object.keys(noCounts) as (keyof BridgeCounts)[]) {
    events.on(name, ({ count }) => void (counts[name] += count));
  }
  return events;
}

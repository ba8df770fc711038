import { ProducerStreams, type ProducerStreamsParts } from '../check/stream/producer-streams.js';
import { defaultStreamSettings } from '../check/stream/stream-settings.js';
import type { Settings } from '../config/settings.js';
import type { MessageStore } from '../store/message-store.js';

/** The streams over which producers are asked, as the settings bound them. */
export function producerStreams(
  settings: Settings,
  store: MessageStore,
  parts: Pick<ProducerStreamsParts, 'nodeId' | 'clock' | 'logger' | 'onOpened'>,
): ProducerStreams {
  const { streamsMax, streamsPerProducerMax, streamHeartbeatMs: heartbeatMs, checkTimeoutMs: askTimeoutMs } = settings;
  return new ProducerStreams({
    ...parts,
    store: store.streams,
    readMessages: (ids) => store.lanes.readMessages(ids),
    settings: { ...defaultStreamSettings, streamsMax, streamsPerProducerMax, heartbeatMs, askTimeoutMs },
  });
}

/** Bounds of the streams over which producers are asked. Lengths of time are milliseconds. */
export interface StreamSettings {
  /** Open streams of this node. Default 10,000. */
  streamsMax: number;
  /** Open streams of one producer at this node. Default 1,000. */
  streamsPerProducerMax: number;
  /** Between two signs of life. A stream from which nothing came for two of them is dead. Default 10 s. */
  heartbeatMs: number;
  /** Largest message of a client, in bytes. Default 64 KiB. */
  answerBytesMax: number;
  /** How long another node, which asks on behalf of this one, waits for the answer. Default 5 s. */
  askTimeoutMs: number;
  /** Questions under way on one stream. Default 256. */
  questionsMax: number;
  /** What may wait to be read by a client, in bytes; beyond it the stream is closed. Default 32 MiB. */
  bufferedBytesMax: number;
  /** Messages and pings between two signs of life that answer nothing that is under way; beyond it the stream is closed. Default 1,000. */
  surplusMax: number;
  /** How long a client has to take part in the closing of a stream. Default 1 s. */
  closeMs: number;
  /** Streams of other instances that one ask tries, when they end before they answer. Default 8. */
  triesMax: number;
  /** How often the store is told again which streams are open, should it have forgotten. Default 30 s. */
  refreshMs: number;
}

export const defaultStreamSettings: StreamSettings = {
  streamsMax: 10_000,
  streamsPerProducerMax: 1_000,
  heartbeatMs: 10_000,
  answerBytesMax: 64 * 1024,
  askTimeoutMs: 5_000,
  questionsMax: 256,
  bufferedBytesMax: 32 * 1024 * 1024,
  surplusMax: 1_000,
  closeMs: 1_000,
  triesMax: 8,
  refreshMs: 30_000,
};

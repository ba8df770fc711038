/** A stream over which one instance of a producer can be asked, and the node that holds it. */
export interface ProducerStream {
  producer: string;
  instance: string;
  nodeId: string;
}

export interface LiveStream extends ProducerStream {
  /** Where other nodes reach the one that holds it. */
  nodeUrl: string;
}

/**
 * Which producers can be asked over streams, and where: so that any node finds who can be asked. A row lasts as long as
 * the row of its node; it is removed with it.
 */
export interface StreamStore {
  /** Stores that these streams are open, since `now` where they were not; repeating it changes nothing. */
  open(streams: readonly ProducerStream[], now: number): Promise<void>;
  /** Forgets these streams; one that is not stored is not minded. */
  close(streams: readonly ProducerStream[]): Promise<void>;
  /**
   * Streams of a producer at nodes whose lease has not ended at `now`: those of `instance` first (at most 10), then
   * others by instance and node, `limit` at most.
   */
  find(producer: string, instance: string | undefined, now: number, limit: number): Promise<LiveStream[]>;
  /** Since when (epoch ms) the newest such stream of each of these producers has been open; without those that have none. */
  newest(producers: readonly string[], now: number): Promise<Map<string, number>>;
}

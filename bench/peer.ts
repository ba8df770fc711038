import type { Servers, Window } from './scenario.js';

/** What one peer reached under the load that Halfbox gets. A figure that the peer has not, or that was not measured, is absent. */
export interface PeerFigures {
  /** Transactional messages that its consumer received in a second of the window, the best of what was tried. */
  transactionalPerSecond?: number;
  /** The same by what was tried: `{ '32 threads': 5894, '128 threads': 5396 }`. */
  transactionalBy?: Record<string, number>;
  /** Messages that a plain, synchronous, flushed send stored in a second. */
  plainStoredPerSecond?: number;
  /** The same by what was tried. */
  plainStoredBy?: Record<string, number>;
  plainDeliveredPerSecond?: number;
  /** From the call that begins a transaction to its consumer, ms. */
  endToEndMs?: { p50: number; p99: number; max?: number };
  /** From the commit call to the consumer at 200 messages/s, ms. */
  commitToReceiptMs?: { p50: number; p99: number };
  /** Resident memory of its server processes: idle, and the most under load. */
  brokerIdleMiB?: number;
  brokerPeakMiB?: number;
  /** From its start to its first answered call, seconds. */
  startToReadySeconds?: number;
  /** Of one core, with nothing to do. */
  idleCpuShare?: number;
  /** CPU µs a message, by process. */
  cpuMicrosPerMessage?: Record<string, number>;
  /** Version of the peer, and how its writes are flushed: said beside the figures. */
  version?: string;
  durability?: string;
  /** What a reader of the figures has to know: backlogs, duplicates, failed calls. */
  notes?: string[];
}

/**
 * One other system under the same work, behind one script in `bench/peers/<name>/`. It starts what it needs, under a folder
 * of its own below the system's temporary one, and has stopped and deleted all of it when `run` has ended, however it ends.
 */
export interface Peer {
  /** Stable: targets and `--compare` name it. `rocketmq`, `dtm-mysql`, `dtm-redis`, `naive-outbox`. */
  name: string;
  /** What is not installed here, in words for the reader (`Maven is not installed`); null where it can run. */
  missing(): string | null | Promise<string | null>;
  /** Builds what it needs where that has not been done, and measures. Rejects when it cannot. */
  run(window: Window, servers: Servers): Promise<PeerFigures>;
}

/** What a run tells of one peer. */
export interface PeerResult {
  name: string;
  /** Absent where the peer was left out or failed. */
  figures?: PeerFigures;
  /** Why there are no figures: what is missing, or the error. */
  leftOut?: string;
  /** Requests/s of the bare Fastify route before and after it, which tell how far the machine's speed has drifted since. */
  bareRoute?: number[];
}

/** What `bench/peers/index.ts` exports: all peers, in the order in which they run. */
export type Peers = readonly Peer[];

import type { DataSource } from 'typeorm';
import { assertBetween } from '../../../message/assert-between.js';
import { bounds } from '../../../message/bounds.js';
import { systemClock, type Clock } from '../../../message/clock.js';
import { newId } from '../../../message/message-id.js';
import type { BackgroundService } from '../../../runtime/background-service.js';
import { silentLogger, type Logger } from '../../../runtime/logger.js';
import { Loop } from '../../../runtime/loop.js';
import { ForwardedBatch, type OutboxSender } from './forwarded-batch.js';
import { Lease } from './lease.js';
import type { Outbox } from './outbox.js';
import { OutboxRows, type WaitingRow } from './outbox-rows.js';

export interface OutboxForwarderOptions {
  dataSource: DataSource;
  /** Where messages go. */
  sender: OutboxSender;
  /** The outbox of this process: its commits wake the forwarder. Without it messages wait for the next look. */
  outbox?: Pick<Outbox, 'onCommitted'> | undefined;
  /** How often the outbox is looked at. Default 500. */
  intervalMs?: number | undefined;
  /** Messages of one send. Default 500; 1..1,000. */
  batchMax?: number | undefined;
  /** Bytes of one send, as JSON. Default 4 MiB; a larger message goes alone. */
  batchBytesMax?: number | undefined;
  /** How long another instance waits before it takes over from one that died. Default 10,000; at least 100. */
  leaseMs?: number | undefined;
  /**
   * Whether a failed message holds back the later ones of its ordering key until it is sent or discarded. Default true; with
   * false they go on, and a message that is retried comes after them.
   */
  failedBlocksKey?: boolean | undefined;
  /** The longest wait before a message that failed for an unclear reason (500) is tried again; begins at 1,000. Default 60,000. */
  retryMsMax?: number | undefined;
  /** The longest wait between tries while no broker can be reached; begins at `intervalMs`. Default 5,000. */
  awayMsMax?: number | undefined;
  /** Names this process among the application's. Default: a new UUIDv7. */
  instance?: string | undefined;
  clock?: Clock | undefined;
  /** Default: nothing is logged. */
  logger?: Logger | undefined;
}

/** What a forwarder has done since it was made, by message. */
export interface ForwarderCounts {
  /** Stored at the broker, repeats included. */
  sent: number;
  /** Refused for good: `outbox.failed()` has them. */
  refused: number;
  /** Tries of single messages that failed for an unclear reason. */
  deferred: number;
}

/** How often failed messages are looked at for the ones that are due. */
const dueIntervalMs = 1_000;

/**
 * Sends what applications wrote into the outbox, and deletes it when the broker has stored it. Run one in every instance:
 * one at a time forwards, and another one follows within `leaseMs` when it dies.
 *
 * Guarantees, also when processes are killed or two instances forward at once: no committed message is lost or skipped;
 * messages of an ordering key are stored in the order of {@link Outbox.add}, since each is sent only after the one before it is
 * stored; what is sent twice carries the same id and content, so that the broker stores it once. A message that the
 * broker refuses (4xx) is set aside with its error, and holds back its own ordering key only.
 */
export class OutboxForwarder implements BackgroundService {
  readonly #rows: OutboxRows;
  readonly #lease: Lease;
  readonly #loop: Loop;
  readonly #options: Required<Pick<OutboxForwarderOptions, 'batchMax' | 'batchBytesMax' | 'leaseMs' | 'logger'>>;
  readonly #failedBlocksKey: boolean;
  readonly #retryMsMax: number;
  readonly #counts: ForwarderCounts = { sent: 0, refused: 0, deferred: 0 };
  #lookedForDueAt = -Infinity;
  /** Commits of this process (and the start), and how many of them a look came after that found nothing more to send. */
  #commits = 0;
  #commitsDone = 0;
  #stopListening: (() => void) | undefined;

  /** @throws RangeError for an option out of its bounds */
  constructor(private readonly options: OutboxForwarderOptions) {
    const { dataSource, intervalMs = 500, leaseMs = 10_000, batchMax = 500, batchBytesMax = 4 * 1024 * 1024 } = options;
    const { instance = newId(), logger = silentLogger, clock = systemClock, awayMsMax = 5_000 } = options;
    assertBetween('intervalMs', intervalMs, 1, 3_600_000);
    assertBetween('leaseMs', leaseMs, 100, 3_600_000);
    assertBetween('batchMax', batchMax, 1, bounds.sendMessagesMax);
    assertBetween('batchBytesMax', batchBytesMax, 1, bounds.requestBytesMax);
    this.#options = { batchMax, batchBytesMax, leaseMs, logger };
    this.#failedBlocksKey = options.failedBlocksKey ?? true;
    this.#retryMsMax = options.retryMsMax ?? 60_000;
    this.#rows = new OutboxRows(dataSource);
    this.#lease = new Lease(dataSource, { job: 'outbox', holder: instance, leaseMs });
    const loop = { name: 'outbox-forwarder', intervalMs, retryMsMax: awayMsMax, clock, logger };
    this.#loop = new Loop((now) => this.runOnce(now), loop);
  }

  start(): void {
    this.#commits += 1;
    this.#loop.start();
    this.#stopListening ??= this.options.outbox?.onCommitted(() => {
      this.#commits += 1;
      this.wake();
    });
  }

  /** Whether messages may wait that this process has committed, or that were there when it started. */
  get isBehind(): boolean {
    return this.#commitsDone < this.#commits;
  }

  /**
   * Ends after the send in hand, and lets another instance go on at once.
   * @param finishMs begins further sends for so long while {@link isBehind}; default 0. What is left is sent later.
   */
  async stop({ finishMs = 0 }: { finishMs?: number } = {}): Promise<void> {
    this.#stopListening?.();
    this.#stopListening = undefined;
    await this.#loop.stop();
    await this.#finish(finishMs);
    await this.#lease.release().catch((error: unknown) => {
      this.#options.logger.warn(
        { err: error },
        'the lease of the outbox could not be given back: it runs out by itself',
      );
    });
  }

  /** Looks at once. Does nothing while another instance forwards: that one looks every `intervalMs`. */
  wake(): void {
    if (this.#lease.isHeld) this.#loop.wake();
  }

  counts(): ForwarderCounts {
    return { ...this.#counts };
  }

  /**
   * Sends one batch; answers whether more may wait. Rejects when no broker can be reached (another instance may then try) or
   * the database is away.
   */
  async runOnce(now: number): Promise<boolean> {
    const commits = this.#commits;
    if (!(await this.#lease.ensure())) return false;
    const isMore = await this.#forward(now);
    if (!isMore) this.#commitsDone = commits;
    return isMore;
  }

  async #forward(now: number): Promise<boolean> {
    await this.#takeBackDue(now);
    const { batchMax, batchBytesMax } = this.#options;
    const waiting = await this.#rows.waiting(batchMax, this.#failedBlocksKey);
    if (waiting.length === 0) return false;
    const rows = batchOf(waiting, batchBytesMax);
    const messages = await this.#rows.messages(rows.map(({ seq }) => seq));
    const batch = new ForwardedBatch({
      rows: this.#rows,
      messages,
      sender: this.options.sender,
      failedBlocksKey: this.#failedBlocksKey,
      retryMsMax: this.#retryMsMax,
      logger: this.#options.logger,
      counts: this.#counts,
      now,
    });
    try {
      await this.#whileRenewing(batch.forward(rows));
    } catch (error) {
      // What this instance cannot reach another one may. Where giving it up fails too, the lease ends by itself.
      await this.#lease.release().catch(() => undefined);
      throw error;
    }
    return waiting.length === batchMax || rows.length < waiting.length;
  }

  async #takeBackDue(now: number): Promise<void> {
    if (Math.abs(now - this.#lookedForDueAt) < dueIntervalMs) return;
    await this.#rows.takeBackDue(now);
    this.#lookedForDueAt = now;
  }

  async #finish(forMs: number): Promise<void> {
    const deadline = performance.now() + forMs;
    const { clock = systemClock } = this.options;
    try {
      while (this.#lease.isHeld && this.isBehind && performance.now() < deadline) await this.runOnce(clock.now());
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'the outbox was not emptied at the stop: its messages are sent later');
    }
  }

  /** A send may take longer than the lease. */
  async #whileRenewing(work: Promise<void>): Promise<void> {
    // A renewal that fails is followed by the next one; without any the lease ends, and another instance sends the same ids.
    const renew = () => void this.#lease.take().catch(() => undefined);
    const renewal = setInterval(renew, this.#options.leaseMs / 3);
    try {
      await work;
    } finally {
      clearInterval(renewal);
    }
  }
}

/** The first rows that fit one send. An id comes once: what it means a second time the broker decides. */
function batchOf(waiting: readonly WaitingRow[], bytesMax: number): WaitingRow[] {
  const ids = new Set<string>();
  let bytes = 0;
  const end = waiting.findIndex((row, index) => {
    bytes += row.bytes;
    if (index > 0 && (bytes > bytesMax || ids.has(row.id))) return true;
    ids.add(row.id);
    return false;
  });
  return end === -1 ? [...waiting] : waiting.slice(0, end);
}

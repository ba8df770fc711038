import { reached } from '../message/step.js';
import { writeCursors } from './delivery-changes.js';
import type { OwnedState } from './owned-state.js';
import type { RelayParts } from './relay-parts.js';
import type { SettlementWriter } from './settlement-writer.js';

/** Writes cursors that moved with nothing else to write, a little later, so that most go along with another write. */
export class MovedCursors {
  #dueAt = Infinity;

  /** @param wakeAt asks for a call of {@link writeDue} at that time (epoch ms) */
  constructor(
    private readonly state: OwnedState,
    private readonly writer: SettlementWriter,
    private readonly parts: RelayParts,
    private readonly wakeAt: (at: number) => void,
  ) {}

  /** When moved cursors are to be written (epoch ms); Infinity: none moved. */
  get dueAt(): number {
    return this.#dueAt;
  }

  /** Sees to it that what moved is written. */
  look(): void {
    if (this.#dueAt !== Infinity) return;
    for (const lane of this.state.lanes.values()) if (lane.dirty) return this.#soon();
  }

  /** All that moved is being written along. */
  written(): void {
    this.#dueAt = Infinity;
  }

  /** Never rejects. */
  async writeDue(now: number): Promise<void> {
    if (this.#dueAt > now) return;
    try {
      await this.writer.write(writeCursors);
      reached('relay.cursor-written');
    } catch (error) {
      if (this.writer.closed) return;
      const { topic, group } = this.state;
      this.parts.logger.warn({ err: error, topic, group }, 'could not write cursors');
      if (this.#dueAt <= this.parts.clock.now() || this.#dueAt === Infinity) this.#soon();
    }
  }

  #soon(): void {
    this.#dueAt = this.parts.clock.now() + this.parts.settings.flushIntervalMs;
    this.wakeAt(this.#dueAt);
  }
}

import type { Delivery, DeliveryId } from '../relay/owned-subscription.js';

/** A try that was given to the engine, or is about to be. */
export interface QueuedTry {
  delivery: DeliveryId;
  /** Characters of its job. */
  size: number;
  claimedUntil: number;
  /** Whether the engine has taken it: only then can it have been lost there. */
  enqueued: boolean;
}

/** The id of the job that carries this try. */
export function jobIdOf(delivery: Delivery): string {
  return `${delivery.message.id}:${delivery.generation}:${delivery.attempt}`;
}

/** The tries of one subscription that the engine holds and that are not settled, by the id of their job. */
export class QueueWindow {
  private readonly tries = new Map<string, QueuedTry>();
  private size = 0;

  constructor(
    private readonly max: number,
    private readonly charactersMax: number,
  ) {}

  get count(): number {
    return this.tries.size;
  }

  /**
   * How many more to take now. None until a quarter of the window is free, so that they come in batches; beyond the
   * bound of characters by one batch at most, whose messages are larger than the average of those that are held.
   */
  get room(): number {
    const free = this.max - this.tries.size;
    const freeCharacters = this.charactersMax - this.size;
    if (free * 4 < this.max || freeCharacters * 4 < this.charactersMax) return 0;
    const average = this.tries.size === 0 ? 4096 : this.size / this.tries.size;
    return Math.max(1, Math.min(free, Math.floor(freeCharacters / (average + 1))));
  }

  add(
    id: string,
    { shard, offset, attempt, generation, claimedUntil }: Delivery,
    size: number,
    enqueued: boolean,
  ): void {
    this.tries.set(id, { delivery: { shard, offset, attempt, generation }, size, claimedUntil, enqueued });
    this.size += size;
  }

  get(id: string): QueuedTry | undefined {
    return this.tries.get(id);
  }

  has(id: string): boolean {
    return this.tries.has(id);
  }

  delete(id: string): void {
    const found = this.tries.get(id);
    if (found === undefined) return;
    this.size -= found.size;
    this.tries.delete(id);
  }

  ids(): string[] {
    return [...this.tries.keys()];
  }

  /** Those that the engine has taken. */
  enqueuedIds(): string[] {
    return this.ids().filter((id) => this.tries.get(id)?.enqueued);
  }

  /** Those whose claim ends before `until`. */
  endingBefore(until: number): string[] {
    return this.ids().filter((id) => (this.tries.get(id) as QueuedTry).claimedUntil < until);
  }
}

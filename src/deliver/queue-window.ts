import type { EnginePack } from '../queue/queue-engine.js';
import type { Delivery, DeliveryId } from '../relay/owned-subscription.js';

/** A try that was given to the engine, or is about to be. */
export interface QueuedTry extends DeliveryId {
  messageId: string;
  claimedUntil: number;
}

/** A job that carries one try or, as a pack, several. */
export interface QueuedJob {
  tries: QueuedTry[];
  /** Messages that it carries as well and whose tries are settled, or count no longer. */
  others: string[];
  /** Characters of it. */
  size: number;
  /** Whether the engine has taken it: only then can it have been lost there. */
  enqueued: boolean;
}

/** The id of the job that carries this try, where it has one of its own. */
export function jobIdOf({ message, generation, attempt }: Delivery): string {
  return `${message.id}:${generation}:${attempt}`;
}

/** The message that such an id names. */
function messageIdOf(tryId: string): string {
  return tryId.replace(/:\d+:\d+$/, '');
}

function triedOf({ message, shard, offset, attempt, generation, claimedUntil }: Delivery): QueuedTry {
  return { messageId: message.id, shard, offset, attempt, generation, claimedUntil };
}

/** The tries of one subscription that the engine holds and that are not settled, by the jobs that carry them. */
export class QueueWindow {
  private readonly jobs = new Map<string, QueuedJob>();
  private tries = 0;
  private size = 0;

  constructor(
    private readonly max: number,
    private readonly charactersMax: number,
  ) {}

  /** Tries. */
  get count(): number {
    return this.tries;
  }

  get jobCount(): number {
    return this.jobs.size;
  }

  /**
   * How many more tries to take now. None until a quarter of the window is free, so that they come in batches; beyond the
   * bound of characters by one batch at most, whose messages are larger than the average of those that are held.
   */
  get room(): number {
    const free = this.max - this.tries;
    const freeCharacters = this.charactersMax - this.size;
    if (free * 4 < this.max || freeCharacters * 4 < this.charactersMax) return 0;
    const average = this.tries === 0 ? 4096 : this.size / this.tries;
    return Math.max(1, Math.min(free, Math.floor(freeCharacters / (average + 1))));
  }

  /** Adds a job that is about to be enqueued. */
  add(id: string, deliveries: Delivery[], size: number): void {
    this.jobs.set(id, { tries: deliveries.map(triedOf), others: [], size, enqueued: false });
    this.tries += deliveries.length;
    this.size += size;
  }

  /** Begins with what an earlier owner has given out, instead of all that it held. @param packs those that the engine knows */
  adopt(inFlight: Delivery[], packs: EnginePack[]): void {
    this.jobs.clear();
    this.tries = inFlight.length;
    this.size = 0;
    const adopted = new Map(inFlight.map((delivery) => [jobIdOf(delivery), triedOf(delivery)]));
    const packOf = new Map<string, EnginePack>();
    for (const pack of packs) for (const tried of pack.tries) packOf.set(tried, pack);
    for (const [tryId, tried] of adopted) {
      const pack = packOf.get(tryId);
      const id = pack?.id ?? tryId;
      const known = this.jobs.get(id);
      const others = (): string[] => pack?.tries.filter((other) => !adopted.has(other)).map(messageIdOf) ?? [];
      if (known === undefined) this.jobs.set(id, { tries: [tried], others: others(), size: 0, enqueued: true });
      else known.tries.push(tried);
    }
  }

  get(id: string): QueuedJob | undefined {
    return this.jobs.get(id);
  }

  has(id: string): boolean {
    return this.jobs.has(id);
  }

  delete(id: string): void {
    const found = this.jobs.get(id);
    if (found === undefined) return;
    this.size -= found.size;
    this.tries -= found.tries.length;
    this.jobs.delete(id);
  }

  /** Forgets one try; its job with the last of them. */
  deleteTry(id: string, tried: QueuedTry): void {
    const job = this.jobs.get(id);
    const at = job?.tries.indexOf(tried) ?? -1;
    if (job === undefined || at < 0) return;
    if (job.tries.length === 1) return this.delete(id);
    job.tries.splice(at, 1);
    job.others.push(tried.messageId);
    this.tries -= 1;
  }

  /** Ids of jobs. */
  ids(): string[] {
    return [...this.jobs.keys()];
  }

  /** Of those that the engine has taken. */
  enqueuedIds(): string[] {
    return this.ids().filter((id) => this.jobs.get(id)?.enqueued);
  }

  /** Tries whose claim ends before `until`, with the ids of their jobs. */
  endingBefore(until: number): [id: string, tried: QueuedTry][] {
    const found: [string, QueuedTry][] = [];
    for (const [id, { tries }] of this.jobs) {
      for (const tried of tries) if (tried.claimedUntil < until) found.push([id, tried]);
    }
    return found;
  }
}

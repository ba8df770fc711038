import { Problem } from '../message/problem.js';
import type { Settlement } from '../store/lane-store.js';
import { writeCursors } from './delivery-changes.js';
import type { SettleGroup, SettlementSource } from './settle-group.js';
import { SettlementDraft, type Change } from './settlement-draft.js';

interface Waiting {
  change: Change;
  resolve(): void;
  reject(error: unknown): void;
}

/** Refuses what came after another node took over, or while this one is giving the subscription back. */
export function subscriptionLost(topic: string, group: string): Problem {
  return new Problem('unavailable', `this node no longer owns ${topic}/${group}`, { retryAfterMs: 1_000 });
}

/** Writes the changes of one owned subscription: calls that come while a write is under way share the next one. */
export class SettlementWriter implements SettlementSource {
  #waiting: Waiting[] = [];
  #writing: Waiting[] = [];
  #draft = new SettlementDraft();
  #writes = 0;
  #requested = false;
  #closed = false;
  readonly #idleListeners: (() => void)[] = [];

  /**
   * @param onFenced called once, when a write found that another owner has the subscription
   * @param beforeWrite adds what is written along, such as lanes whose cursor moved
   */
  constructor(
    private readonly subscription: { readonly topic: string; readonly group: string; readonly epoch: number },
    private readonly group: SettleGroup,
    private readonly entriesMax: number,
    private readonly beforeWrite: (draft: SettlementDraft) => void,
    private readonly onFenced: () => void,
  ) {}

  /** Whether everything is refused. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Resolves when the change is durable. Rejects, with the change undone, when it was not written. */
  write(change: Change): Promise<void> {
    if (this.#closed) return Promise.reject(this.#lost());
    return new Promise((resolve, reject) => {
      this.#waiting.push({ change, resolve, reject });
      this.#request();
    });
  }

  /** Resolves when nothing waits to be written. */
  idle(): Promise<void> {
    if (!this.#requested) return Promise.resolve();
    return new Promise((resolve) => this.#idleListeners.push(resolve));
  }

  /** Resolves when what has been asked for until now is written, or was not: its callers have heard. */
  async settled(): Promise<void> {
    if (this.#requested) await this.write(writeCursors).catch(() => {});
  }

  /** Refuses everything from now on; what waits is refused too. */
  close(): void {
    this.#closed = true;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { reject } of waiting) reject(this.#lost());
  }

  begin(): Settlement {
    const count = this.#cut();
    this.#writing = this.#waiting.slice(0, count);
    this.#waiting = this.#waiting.slice(count);
    this.#draft = new SettlementDraft();
    for (const { change } of this.#writing) change.apply(this.#draft);
    this.beforeWrite(this.#draft);
    const { topic, group, epoch } = this.subscription;
    return this.#draft.build({ topic, group, epoch, write: (this.#writes += 1) });
  }

  stored(): void {
    const written = this.#writing;
    this.#end();
    for (const { resolve } of written) resolve();
  }

  fenced(): void {
    const written = this.#undo();
    this.close();
    this.#end();
    for (const { reject } of written) reject(this.#lost());
    this.onFenced();
  }

  failed(error: unknown): void {
    const written = this.#undo();
    this.#end();
    for (const { reject } of written) reject(error);
  }

  #request(): void {
    if (this.#requested) return;
    this.#requested = true;
    this.group.request(this);
  }

  #cut(): number {
    let size = 0;
    let count = 0;
    for (const { change } of this.#waiting) {
      size += change.size;
      if (count > 0 && size > this.entriesMax) break;
      count += 1;
    }
    return count;
  }

  #undo(): Waiting[] {
    const written = this.#writing;
    for (let index = written.length - 1; index >= 0; index -= 1) written[index]!.change.undo();
    this.#draft.undo();
    return written;
  }

  #end(): void {
    this.#writing = [];
    this.#requested = false;
    if (this.#waiting.length > 0) this.#request();
    else for (const listener of this.#idleListeners.splice(0)) listener();
  }

  #lost(): Problem {
    return subscriptionLost(this.subscription.topic, this.subscription.group);
  }
}

import { bounds } from '../../message/bounds.js';
import type { HalfboxClient } from '../broker/halfbox-client.js';
import { HandlerTimeout, ReceiptLost } from './consume-errors.js';
import type { HeldDelivery } from './delivery-context.js';

/** Looks within one visibility time. */
const looksPerVisibility = 8;

export interface VisibilityParts {
  client: HalfboxClient;
  topic: string;
  group: string;
  visibilityMs: number;
  handlerMsMax: number;
  /** No handler came free for it within the visibility time: others may have one. */
  overdue: (delivery: HeldDelivery) => void;
  /** A delivery is another consumer's now, or will be. */
  lost: (delivery: HeldDelivery) => void;
  /** The first failure of a series; the deliveries are extended at the next look. */
  failed: (error: Error) => void;
}

/** Keeps deliveries visible to this consumer only, by extending them at half of their time, many in one call. */
export class Visibility {
  readonly #held = new Set<HeldDelivery>();
  #timer: NodeJS.Timeout | undefined;
  #failing = false;
  #stopped = false;

  constructor(private readonly parts: VisibilityParts) {}

  hold(delivery: HeldDelivery): void {
    this.#held.add(delivery);
    this.#watch();
  }

  /** It has ended, or was given back. */
  drop(delivery: HeldDelivery): void {
    this.#held.delete(delivery);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#held.clear();
  }

  /** Whether its visibility has ended; it is lost then. */
  isOver(delivery: HeldDelivery): boolean {
    if (performance.now() < delivery.expiresAt) return false;
    this.#lose(delivery, new ReceiptLost(delivery.messageId, 'its visibility ended before it could be extended'));
    return true;
  }

  /** One delivery, at once, where it has less time left. Rejects with `ReceiptLost`, or as the call does. */
  async extend(delivery: HeldDelivery, visibilityMs: number): Promise<void> {
    if (performance.now() + visibilityMs <= delivery.expiresAt) return;
    const answer = await this.#call([delivery], visibilityMs);
    if (answer.length > 0) throw delivery.loss ?? answer[0];
  }

  #watch(): void {
    if (this.#timer !== undefined || this.#stopped || this.#held.size === 0) return;
    this.#timer = setTimeout(() => void this.#look(), this.parts.visibilityMs / looksPerVisibility);
  }

  async #look(): Promise<void> {
    const { visibilityMs, handlerMsMax } = this.parts;
    const now = performance.now();
    const due: HeldDelivery[] = [];
    for (const delivery of this.#held) {
      const { begunAt, receivedAt, expiresAt } = delivery;
      if (begunAt !== undefined && now - begunAt > handlerMsMax) {
        this.#lose(delivery, new HandlerTimeout(delivery.messageId, handlerMsMax));
      } else if (this.isOver(delivery)) {
        continue;
      } else if (begunAt === undefined && now - receivedAt >= visibilityMs) {
        this.parts.overdue(delivery);
      } else if (expiresAt - now <= visibilityMs / 2) due.push(delivery);
    }
    for (let from = 0; from < due.length; from += bounds.receiptsMax) {
      try {
        await this.#call(due.slice(from, from + bounds.receiptsMax), visibilityMs);
        this.#failing = false;
      } catch (error) {
        if (!this.#failing && !this.#stopped) this.parts.failed(error as Error);
        this.#failing = true;
        break;
      }
    }
    this.#timer = undefined;
    this.#watch();
  }

  /** Answers the losses that it met. */
  async #call(deliveries: HeldDelivery[], visibilityMs: number): Promise<ReceiptLost[]> {
    const { client, topic, group } = this.parts;
    const receipts = deliveries.map(({ receipt }) => receipt);
    const askedAt = performance.now();
    // A call that takes longer than this has no use: the next look makes another.
    const timeoutMs = Math.max(1_000, this.parts.visibilityMs / 4);
    const { results } = await client.extend(topic, group, { receipts, visibilityMs }, { timeoutMs });
    const losses: ReceiptLost[] = [];
    deliveries.forEach((delivery, index) => {
      const result = results[index];
      if (result !== undefined && 'ok' in result) {
        delivery.expiresAt = askedAt + visibilityMs;
        return;
      }
      const lost = new ReceiptLost(delivery.messageId, result?.problem.detail ?? 'the broker did not answer for it');
      losses.push(lost);
      // One that ended while it was being extended is nobody's loss.
      if (this.#held.has(delivery)) this.#lose(delivery, lost);
    });
    return losses;
  }

  #lose(delivery: HeldDelivery, loss: ReceiptLost | HandlerTimeout): void {
    this.#held.delete(delivery);
    delivery.lose(loss);
    this.parts.lost(delivery);
  }
}

import type { DeliveryId } from '../relay/owned-subscription.js';
import type { SubscriptionName } from './pulled-subscription.js';
import { readReceipt, receiptMark, receiptOf, type ReadReceipt } from './receipt.js';
import { Releases } from './releases.js';

/** Subscriptions whose marks are kept. */
const marksMax = 10_000;

/** The receipts of what pulling consumers of this node were given. */
export class Receipts {
  readonly #marks = new Map<string, string>();
  readonly #releases = new Releases();

  /** Of the try that is handed out now. */
  of(place: SubscriptionName, delivery: DeliveryId): string {
    const mark = this.#mark(place);
    const receipt = receiptOf(mark, delivery);
    const releases = this.#releases.of(receipt);
    return releases === 0 ? receipt : receiptOf(mark, delivery, releases);
  }

  /** The try that a receipt names; `foreign` where it is another subscription's, or was released since. */
  read(place: SubscriptionName, receipt: string): ReadReceipt | 'malformed' | 'foreign' {
    const mark = this.#mark(place);
    const id = readReceipt(mark, receipt);
    if (typeof id === 'string') return id;
    // Without a release before it a receipt is what names its place.
    const handOut = id.releases === 0 ? receipt : receiptOf(mark, id);
    return id.releases === this.#releases.of(handOut) ? id : 'foreign';
  }

  /** It is being released: its receipt is no longer good. Answers how to take that back. */
  release(place: SubscriptionName, id: DeliveryId): () => void {
    const handOut = receiptOf(this.#mark(place), id);
    this.#releases.note(handOut);
    return () => this.#releases.takeBack(handOut);
  }

  #mark({ topic, group }: SubscriptionName): string {
    const name = `${topic}.${group}`;
    let mark = this.#marks.get(name);
    if (mark === undefined) {
      // A cache only: emptied rather than let grow with every name ever asked for.
      if (this.#marks.size >= marksMax) this.#marks.clear();
      this.#marks.set(name, (mark = receiptMark(topic, group)));
    }
    return mark;
  }
}

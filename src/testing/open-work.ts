import type { RunningNode } from '../server/node.js';
import type { MessageStore } from '../store/message-store.js';

/** Something that is not over yet. */
export interface OpenWork {
  /** In words, with the names that an application knows. */
  text: string;
  /** `topic/group`, where it is up to the consumer of a subscription. */
  subscription?: string;
}

const pageMax = 500;

/** What is under way in one broker, and what uses it. Nothing that waits for a time counts. */
export class OpenWorkList {
  /** @param pending what the application has not handed to the broker yet */
  constructor(
    private readonly node: RunningNode,
    private readonly store: MessageStore,
    private readonly pending: () => string[],
  ) {}

  async read(): Promise<OpenWork[]> {
    const work: OpenWork[] = [];
    const { broker, caller } = this.node;
    const dueAt = await this.store.schedule.nextDueAt();
    if (dueAt !== null && dueAt <= broker.clock.now()) work.push({ text: 'a delayed message is due' });
    let after: string | undefined;
    do {
      const page = await this.store.subscriptions.list(after, pageMax);
      for (const { topic, group } of page.items) work.push(...this.#ofSubscription(topic, group));
      after = page.next ?? undefined;
    } while (after !== undefined);
    // Last, and without waiting in between: what ends here may have begun something above.
    work.push(...this.pending().map((text) => ({ text })));
    if (caller.working > 0) work.push({ text: `${caller.working} calls of the broker are under way` });
    return work;
  }

  #ofSubscription(topic: string, group: string): OpenWork[] {
    const subscription = `${topic}/${group}`;
    const relay = this.node.broker.relay.owned(topic, group);
    if (!relay) return [{ text: `${subscription} is being taken over` }];
    const { ready, inFlight, reading } = relay.work;
    const work: OpenWork[] = [];
    if (ready > 0) work.push({ subscription, text: `${subscription}: ${ready} messages wait for a consumer` });
    if (inFlight > 0) work.push({ subscription, text: `${subscription}: ${inFlight} messages are with a consumer` });
    if (reading && work.length === 0) work.push({ subscription, text: `${subscription} is being read` });
    return work;
  }
}

/** When something is due next that waits for its time (epoch ms); Infinity when nothing does. */
export async function nextDueAt(node: RunningNode, store: MessageStore): Promise<number> {
  let next = Math.min(node.broker.relay.nextDueAt, (await store.schedule.nextDueAt()) ?? Infinity);
  let after: string | undefined;
  do {
    const page = await store.lookup.listTransactions({ state: 'prepared' }, after, pageMax);
    for (const { nextCheckAt } of page.items) next = Math.min(next, nextCheckAt ?? Infinity);
    after = page.next ?? undefined;
  } while (after !== undefined);
  return next;
}

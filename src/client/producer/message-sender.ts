import type { Call, Caller } from '../broker/caller.js';
import type { Message, MessagePlace, SentMessages } from '../contract.js';
import { NotSerializable } from '../errors.js';
import { newId } from '../../message/message-id.js';
import { Gatherer, type TryOptions } from './gatherer.js';
import type { Ending, Parcel } from './part.js';
import type { SendCounts } from './send-counts.js';
import type { SendOptions, SendSettings } from './send-settings.js';
import { tryCall, tryTogether, type TryOutcome } from './try-outcome.js';

/** Messages of one caller as they are sent: JSON, joined by commas. */
interface Content {
  text: string;
  ids: readonly string[];
}

/** Sends messages of concurrent callers in gathered calls. */
export class MessageSender {
  readonly #gatherer: Gatherer<Content, MessagePlace[]>;

  constructor(
    private readonly caller: Caller,
    private readonly settings: SendSettings,
  ) {
    this.#gatherer = new Gatherer((contents, options) => this.#tryBatch(contents, options), settings);
  }

  get counts(): SendCounts {
    return this.#gatherer.counts;
  }

  /**
   * Sends messages, all or none; the ending gets their places. Throws `NotSerializable`; everything else is told to the
   * ending (see {@link Gatherer.add}).
   */
  send(
    messages: readonly Message[],
    ending: Ending<MessagePlace[]>,
    options: SendOptions & { waits?: boolean } = {},
  ): void {
    const ordered = messages.some(({ orderingKey }) => orderingKey !== undefined);
    this.#gatherer.add(parcelOf(messages), ending, { ...options, ordered });
  }

  close(timeoutMs: number): Promise<void> {
    return this.#gatherer.close(timeoutMs);
  }

  #tryBatch(contents: readonly Content[], options: TryOptions): Promise<TryOutcome<MessagePlace[]>[]> {
    return tryTogether(contents, (some) => this.#try(some, options));
  }

  async #try(
    contents: readonly Content[],
    { deadline, avoid, signal }: TryOptions,
  ): Promise<TryOutcome<TryOutcome<MessagePlace[]>[]>> {
    const timeoutMs = Math.ceil(Math.min(this.settings.tryTimeoutMs, deadline - performance.now()));
    if (timeoutMs <= 0) return { kind: 'postponed' };
    const call: Call = {
      method: 'POST',
      path: '/v1/messages',
      bodyText: `{"messages":[${contents.map(({ text }) => text).join(',')}]}`,
      timeoutMs,
      avoid,
      signal,
    };
    return tryCall(this.caller, call, (answer) => placesOf(contents, answer));
  }
}

/** The places of each content, in their order. Throws where the answer is not about just these messages. */
function placesOf(contents: readonly Content[], answer: unknown): TryOutcome<MessagePlace[]>[] {
  const { messages } = answer as SentMessages;
  let next = 0;
  const outcomes = contents.map(({ ids }): TryOutcome<MessagePlace[]> => {
    const result = messages.slice(next, (next += ids.length));
    if (ids.some((id, index) => result[index]!.id !== id)) throw new Error('the answer is about other messages');
    return { kind: 'done', result };
  });
  if (messages.length !== next) throw new Error('the answer is about more messages');
  return outcomes;
}

/** The messages as text, each with an id of its own, so that every try is about the same messages. */
function parcelOf(messages: readonly Message[]): Parcel<Content> {
  const ids: string[] = [];
  const texts = messages.map((message) => {
    const id = message.id ?? newId();
    ids.push(id);
    try {
      return withId(JSON.stringify(message), message.id, id);
    } catch (cause) {
      throw new NotSerializable(message.topic, cause);
    }
  });
  const text = texts.join(',');
  return { content: { text, ids }, size: ids.length, bytes: Buffer.byteLength(text), ids };
}

/** The text with the id that it lacks. Put into the text, which costs less than a copy of the message. */
function withId(text: string, given: string | undefined, id: string): string {
  if (given !== undefined || !text.startsWith('{')) return text;
  return `{"id":"${id}"${text.length > 2 ? ',' : ''}${text.slice(1)}`;
}

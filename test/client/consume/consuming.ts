import { HalfboxClient, HttpCaller, type Call, type CallAnswer, type Caller } from '../../../src/client/index.js';
import { Consumer } from '../../../src/client/consume/consumer.js';
import type { ConsumerOptions } from '../../../src/client/consume/consumer-options.js';
import { RunningBroker } from '../../api/running-broker.js';
import { until } from '../../queue/until.js';

/** A promise that a test fulfils. */
export class Gate {
  open!: () => void;
  readonly opened = new Promise<void>((resolve) => (this.open = resolve));
}

/** Calls through another caller, and can be told to change how single calls end. */
export class WatchedCaller implements Caller {
  readonly calls: { verb: string; body: unknown; answer: unknown }[] = [];
  /** Runs in place of a call. */
  meddle: ((call: Call, make: () => Promise<CallAnswer>) => Promise<CallAnswer>) | undefined;

  constructor(private readonly caller: Caller) {}

  async call(call: Call): Promise<CallAnswer> {
    const make = (): Promise<CallAnswer> => this.caller.call(call);
    const answer = await (this.meddle ? this.meddle(call, make) : make());
    const { path, body } = call;
    this.calls.push({ verb: path.split('/').at(-1)!, body, answer: answer.text === '' ? '' : JSON.parse(answer.text) });
    return answer;
  }

  close(): Promise<void> {
    return this.caller.close();
  }
}

/** A broker with a client, and the consumers that a test has started on it, of one kind or the other. */
export abstract class ConsumedBroker {
  readonly errors: { error: Error; during: string; messageId?: string | undefined }[] = [];
  readonly #consumers: { stop(): Promise<void> }[] = [];
  readonly #clients: HalfboxClient[] = [];
  #named = 0;

  protected constructor(
    readonly broker: RunningBroker,
    readonly client = new HalfboxClient(new HttpCaller({ url: broker.url })),
  ) {
    this.#clients.push(client);
  }

  /** A name of its own for each test, so that tests can share the broker. */
  topic(): string {
    return `topic-${(this.#named += 1)}`;
  }

  /** A client over a caller of the test's own, closed with the suite. */
  clientOver(caller: Caller): HalfboxClient {
    const client = new HalfboxClient(caller);
    this.#clients.push(client);
    return client;
  }

  async send(topic: string, ...bodies: unknown[]): Promise<string[]> {
    const { messages } = await this.client.send(bodies.map((body) => ({ topic, body })));
    return messages.map(({ id }) => id);
  }

  /** How a message stands with a group. */
  async stateOf(id: string, group = 'g'): Promise<{ state: string; attempt: number; error?: string; dueAt?: string }> {
    const { body } = await this.broker.get(`/v1/messages/${id}`);
    return body.deliveries.find((found: { group: string }) => found.group === group);
  }

  untilAcked(id: string, group = 'g'): Promise<unknown> {
    return until('acked', async () => (await this.stateOf(id, group)).state === 'acked');
  }

  async deadLetters(topic: string): Promise<{ messageId: string; attempts: number; error: string }[]> {
    return (await this.broker.get(`/v1/dead-letters?topic=${topic}&group=g`)).body.items;
  }

  /** Stops the consumers of the test that has ended. */
  async reset(): Promise<void> {
    await Promise.all(this.#consumers.splice(0).map((consumer) => consumer.stop()));
    this.errors.length = 0;
  }

  async stop(): Promise<void> {
    await this.reset();
    await Promise.all(this.#clients.map((client) => client.close()));
    await this.broker.stop();
  }

  /** What every consumer is made with, unless its test says otherwise. */
  protected get defaults() {
    return {
      client: this.client,
      group: 'g',
      onError: (error: Error, { during, messageId }: { during: string; messageId?: string }) =>
        void this.errors.push({ error, during, messageId }),
    };
  }

  protected stoppedWithTest<Made extends { stop(): Promise<void> }>(consumer: Made): Made {
    this.#consumers.push(consumer);
    return consumer;
  }
}

type OwnOptions<Body> = Partial<ConsumerOptions<Body>> & Pick<ConsumerOptions<Body>, 'topic' | 'handler'>;

/** With consumers that receive over HTTP. */
export class Consuming extends ConsumedBroker {
  static async start(): Promise<Consuming> {
    return new Consuming(await RunningBroker.start());
  }

  /** A consumer of group `g` that is stopped with the test. */
  consumer<Body>(options: OwnOptions<Body>): Consumer<Body> {
    return this.stoppedWithTest(new Consumer<Body>({ ...this.defaults, ...options }));
  }

  async started<Body>(options: OwnOptions<Body>): Promise<Consumer<Body>> {
    const consumer = this.consumer(options);
    await consumer.start();
    return consumer;
  }
}

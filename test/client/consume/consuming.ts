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

/** A broker with a client, and the consumers that a test has started on it. */
export class Consuming {
  readonly errors: { error: Error; during: string; messageId?: string | undefined }[] = [];
  readonly #consumers: Consumer<never>[] = [];
  readonly #clients: HalfboxClient[] = [];
  #named = 0;

  private constructor(
    readonly broker: RunningBroker,
    readonly client: HalfboxClient,
  ) {
    this.#clients.push(client);
  }

  static async start(): Promise<Consuming> {
    const broker = await RunningBroker.start();
    return new Consuming(broker, new HalfboxClient(new HttpCaller({ url: broker.url })));
  }

  topic(): string {
    return `topic-${(this.#named += 1)}`;
  }

  /** A consumer of group `g` that is stopped with the test. */
  consumer<Body>(options: Partial<ConsumerOptions<Body>> & Pick<ConsumerOptions<Body>, 'topic' | 'handler'>) {
    const consumer = new Consumer<Body>({
      client: this.client,
      group: 'g',
      onError: (error, { during, messageId }) => this.errors.push({ error, during, messageId }),
      ...options,
    });
    this.#consumers.push(consumer as unknown as Consumer<never>);
    return consumer;
  }

  async started<Body>(options: Partial<ConsumerOptions<Body>> & Pick<ConsumerOptions<Body>, 'topic' | 'handler'>) {
    const consumer = this.consumer(options);
    await consumer.start();
    return consumer;
  }

  /** A client over a caller of the test's own, closed with the test. */
  clientOver(caller: Caller): HalfboxClient {
    const client = new HalfboxClient(caller);
    this.#clients.push(client);
    return client;
  }

  async send(topic: string, ...bodies: unknown[]): Promise<string[]> {
    const { messages } = await this.client.send(bodies.map((body) => ({ topic, body })));
    return messages.map(({ id }) => id);
  }

  /** How a message stands with group `g`. */
  async stateOf(id: string): Promise<{ state: string; attempt: number; error?: string; dueAt?: string }> {
    const { body } = await this.broker.get(`/v1/messages/${id}`);
    return body.deliveries.find(({ group }: { group: string }) => group === 'g');
  }

  untilAcked(id: string): Promise<unknown> {
    return until('acked', async () => (await this.stateOf(id)).state === 'acked');
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
}

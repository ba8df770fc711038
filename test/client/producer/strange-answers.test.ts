import { HalfboxClient, Producer, type Caller, type SendFailed } from '../../../src/client/index.js';

/** What something in between may answer, or a broker that is not well. */
class StrangeCaller implements Caller {
  calls = 0;
  readonly bodies: string[] = [];

  constructor(private readonly answer: (bodyText: string) => { status: number; text: string }) {}

  async call({ bodyText = '' }: { bodyText?: string | undefined }) {
    this.calls += 1;
    this.bodies.push(bodyText);
    await Promise.resolve();
    return { ...this.answer(bodyText), endpoint: 'http://one' };
  }

  async close(): Promise<void> {}
}

/** The messages of a call, answered as a broker does. */
function stored(bodyText: string): { status: number; text: string } {
  const { messages } = JSON.parse(bodyText) as { messages: { id: string; topic: string }[] };
  const places = messages.map(({ id, topic }) => ({ id, topic, shard: 0, offset: 0 }));
  return { status: 201, text: JSON.stringify({ messages: places }) };
}

describe('Producer, answers that no broker gives', () => {
  const unhandled: unknown[] = [];
  const onUnhandled = (error: unknown) => unhandled.push(error);
  let producer: Producer;
  let caller: StrangeCaller;

  const start = (answer: (bodyText: string) => { status: number; text: string }) => {
    caller = new StrangeCaller(answer);
    producer = new Producer({ name: 'shop', caller });
  };
  const failure = (sent: Promise<unknown>): Promise<SendFailed> =>
    sent.then(
      (result) => Promise.reject(new Error(`it was taken for done: ${JSON.stringify(result)}`)),
      (error: SendFailed) => error,
    );
  const limits = { retries: 0, timeoutMs: 2_000 };

  beforeEach(() => {
    unhandled.length = 0;
    process.on('unhandledRejection', onUnhandled);
  });

  afterEach(async () => {
    await producer.close({ timeoutMs: 0 });
    process.off('unhandledRejection', onUnhandled);
    expect(unhandled).toEqual([]);
  });

  const strange: [string, number, string][] = [
    ['an empty object', 200, '{}'],
    ['null', 200, 'null'],
    ['no places', 201, '{"messages":[]}'],
    ['places that are none', 201, '{"messages":[null]}'],
    ['places of other messages', 201, '{"messages":[{"id":"another","topic":"orders","shard":0,"offset":0}]}'],
    ['a failure that says null', 502, 'null'],
    ['a failure that says a number', 503, '7'],
    ['a time-out of a proxy', 524, 'error code: 524'],
    ['an unknown failure of a proxy', 520, ''],
    ['a request that was too slow for a proxy', 408, ''],
  ];

  it.each(strange)('does not take %s for an answer to a send, and goes on', async (_, status, text) => {
    let isStrange = true;
    start((body) => (isStrange ? { status, text } : stored(body)));
    const error = await failure(producer.send({ topic: 'orders', body: 1 }, limits));
    expect(error).toMatchObject({ code: 'send-failed', mayBeStored: true, attempts: 1 });
    isStrange = false;
    await expect(producer.send({ topic: 'orders', body: 2 }, limits)).resolves.toMatchObject({ topic: 'orders' });
  });

  it.each<[string, number, string]>([
    ['an empty object', 200, '{}'],
    ['null', 200, 'null'],
    ['no items', 200, '{"prepare":[],"commit":[],"rollback":[]}'],
    ['an item that is none', 200, '{"prepare":[],"commit":["committed"],"rollback":[]}'],
    ['an item of null', 200, '{"prepare":[],"commit":[null],"rollback":[]}'],
    ['an item without a state', 200, '{"prepare":[],"commit":[{}],"rollback":[]}'],
    ['the other end', 200, '{"prepare":[],"commit":[{"id":"t1","state":"rolled_back"}],"rollback":[]}'],
    ["another transaction's end", 200, '{"prepare":[],"commit":[{"id":"t2","state":"committed"}],"rollback":[]}'],
    ['a problem of nothing', 200, '{"prepare":[],"commit":[{"problem":null}],"rollback":[]}'],
    ['a failure that says null', 500, 'null'],
  ])('does not take %s for an answer to a commit', async (_, status, text) => {
    start(() => ({ status, text }));
    const error = await failure(producer.commit('t1', limits));
    expect(error).toMatchObject({ code: 'send-failed', mayBeStored: true, attempts: 1 });
  });

  it('rejects as the other calls do where an answer cannot be read', async () => {
    start(() => ({ status: 200, text: '<html>' }));
    const error = await failure(new HalfboxClient(caller).nodes());
    expect(error).toMatchObject({ code: 'broker-unreachable', mayBeDone: true });
  });

  it('sends in smaller calls what is too large for a proxy, and only what is too large alone is refused', async () => {
    start((body) => (body.length > 1_000 ? { status: 413, text: '<h1>413</h1>' } : stored(body)));
    const sends = Array.from({ length: 20 }, (_, n) => {
      return producer.send({ topic: 'orders', body: 'x'.repeat(n === 7 ? 2_000 : 200) }, limits);
    });
    const ended = await Promise.allSettled(sends);
    const refused = ended.flatMap((one, n) =>
      one.status === 'rejected' ? [[n, (one.reason as SendFailed).code]] : [],
    );
    expect(refused).toEqual([[7, 'not-a-broker']]);
  });

  it('can be closed by several at once', async () => {
    let answer: (() => void) | undefined;
    start(stored);
    const held = new Promise<void>((resolve) => (answer = resolve));
    const call = caller.call.bind(caller);
    caller.call = async (one) => held.then(() => call(one));
    const sent = producer.send({ topic: 'orders', body: 1 });
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    const closes = [producer.close({ timeoutMs: 5_000 }), producer.close({ timeoutMs: 5_000 })];
    answer!();
    expect((await Promise.allSettled([sent, ...closes])).map(({ status }) => status)).toEqual(
      Array(3).fill('fulfilled'),
    );
  });

  it('takes a time limit of any length', async () => {
    start(stored);
    const warnings: string[] = [];
    const onWarning = ({ name }: Error) => warnings.push(name);
    process.on('warning', onWarning);
    await producer.send({ topic: 'orders', body: 1 }, { timeoutMs: 1e12 });
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
  });
});

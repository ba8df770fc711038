import { Pull } from '../../src/deliver/pull.js';
import { readReceipt, receiptMark, receiptOf } from '../../src/deliver/receipt.js';
import type { Relay } from '../../src/relay/relay.js';
import { ManualClock, Scene, startNode, type World } from '../relay/relay-fixture.js';
import { openTestStore, sqliteServer } from '../store/databases.js';

describe('pull', () => {
  let world: World;
  let node: Relay;
  let pull: Pull;

  beforeAll(async () => {
    world = { clock: new ManualClock(), opened: await openTestStore(sqliteServer) };
    node = await startNode(world, 'node-1');
    pull = new Pull((topic, group) => node.owned(topic, group), world.clock);
  });

  afterAll(async () => {
    await node.stop();
    await world.opened.close();
  });

  async function scene(messages: string[]): Promise<Scene> {
    const made = await Scene.make(world, { retry: { fixedMs: 0 } });
    if (messages.length > 0) await made.append(messages);
    await made.on(node);
    return made;
  }

  const receive = (made: Scene, max = 10, waitMs = 0, signal?: AbortSignal) =>
    pull.receive(made.topic, made.group, { max, visibilityMs: 30_000, waitMs }, signal);

  const problems = (outcomes: { problem?: { slug: string } }[]): (string | undefined)[] =>
    outcomes.map(({ problem }) => problem?.slug);

  test('receive, ack, nack and extend by receipts, an outcome each', async () => {
    const made = await scene(['1', '2', '3']);
    const { topic, group } = made;
    const received = await receive(made);
    const [one, two, three] = received.map(({ receipt }) => receipt) as [string, string, string];
    expect(problems(await pull.ack(topic, group, [one, 'nonsense', one]))).toEqual([
      undefined,
      'validation-failed',
      'receipt-expired',
    ]);
    expect(problems(await pull.extend(topic, group, [two, one], 60_000))).toEqual([undefined, 'receipt-expired']);
    expect(problems(await pull.nack(topic, group, [three, two], { error: 'no', delayMs: 0 }))).toEqual([
      undefined,
      undefined,
    ]);
    const again = await receive(made);
    expect(again.map(({ delivery }) => [made.name(delivery), delivery.attempt]).sort()).toEqual([
      ['2', 2],
      ['3', 2],
    ]);
  });

  test('a release that comes twice does not end the try after it', async () => {
    const made = await scene(['1']);
    const { topic, group } = made;
    const [first] = await receive(made);
    const release = () => pull.nack(topic, group, [first!.receipt], { release: true });
    expect(problems(await release())).toEqual([undefined]);
    const [second] = await receive(made);
    expect([second!.delivery.attempt, made.name(second!.delivery)]).toEqual([1, '1']);
    expect(second!.receipt).not.toBe(first!.receipt);
    expect(problems(await release())).toEqual(['receipt-expired']);
    expect(problems(await pull.ack(topic, group, [first!.receipt]))).toEqual(['receipt-expired']);
    expect(problems(await pull.nack(topic, group, [second!.receipt], { release: true }))).toEqual([undefined]);
    const [third] = await receive(made);
    expect(problems(await pull.ack(topic, group, [first!.receipt, second!.receipt, third!.receipt]))).toEqual([
      'receipt-expired',
      'receipt-expired',
      undefined,
    ]);
  });

  test('an answer is bounded in bytes: what is beyond comes with the next one, its attempt uncounted', async () => {
    const small = new Pull((topic, group) => node.owned(topic, group), world.clock, 2);
    const made = await scene(['1', '2', '3', '4', '5']);
    const names: string[] = [];
    for (let answers = 0; names.length < 5 && answers < 20; answers += 1) {
      const request = { max: 10, visibilityMs: 30_000, waitMs: 0 };
      const received = await small.receive(made.topic, made.group, request);
      const bytes = received.map(({ delivery }) => delivery.message.body.json!.length);
      expect(received.length === 1 || bytes.reduce((sum, one) => sum + one, 0) <= 2).toBe(true);
      expect(received.map(({ delivery }) => delivery.attempt)).toEqual(received.map(() => 1));
      names.push(...received.map(({ delivery }) => made.name(delivery)));
      await small.ack(
        made.topic,
        made.group,
        received.map(({ receipt }) => receipt),
      );
    }
    expect(names.sort()).toEqual(['1', '2', '3', '4', '5']);
  });

  test("another subscription's receipt is never taken for its own", async () => {
    const [made, other] = [await scene(['1']), await scene(['1'])];
    const [received] = await receive(made);
    await receive(other);
    expect(problems(await pull.ack(other.topic, other.group, [received!.receipt]))).toEqual(['receipt-expired']);
  });

  test('a call waits until something comes, first come, first served', async () => {
    const made = await scene([]);
    const waits = [receive(made, 1, 20_000), receive(made, 1, 20_000)];
    await made.append(['1', '2']);
    await made.on(node);
    const received = await Promise.all(waits);
    expect(received.map(([first]) => made.name(first!.delivery))).toEqual(['1', '2']);
  });

  test('a call that waited in vain answers with none', async () => {
    expect(await receive(await scene([]), 1, 30)).toEqual([]);
  });

  test('a caller that has gone leaves nothing behind', async () => {
    const made = await scene([]);
    const gone = new AbortController();
    const wait = receive(made, 1, 20_000, gone.signal);
    gone.abort();
    expect(await wait).toEqual([]);
    await made.append(['1']);
    await made.on(node);
    const aborted = new AbortController();
    aborted.abort();
    expect(await receive(made, 1, 0, aborted.signal)).toEqual([]);
    // What it never got does not count as an attempt.
    expect(await receive(made)).toMatchObject([{ delivery: { attempt: 1 } }]);
  });

  test('the subscription moves away while a call waits: it answers with none, and the next is refused', async () => {
    const made = await scene([]);
    const wait = receive(made, 1, 20_000);
    await made.seize();
    await node.runOnce(world.clock.now());
    expect(await wait).toEqual([]);
    const nowhere = new Pull(() => null, world.clock);
    const request = { max: 1, visibilityMs: 1_000, waitMs: 0 };
    await expect(nowhere.receive(made.topic, made.group, request)).rejects.toMatchObject({ slug: 'unavailable' });
  });

  test('a receipt names its try', () => {
    const mark = receiptMark('orders', 'billing');
    const id = { shard: 255, offset: Number.MAX_SAFE_INTEGER, attempt: 100, generation: 7 };
    for (const releases of [0, 3]) {
      expect(readReceipt(mark, receiptOf(mark, id, releases))).toEqual({ ...id, releases });
    }
    expect(readReceipt(receiptMark('orders', 'stock'), receiptOf(mark, id))).toBe('foreign');
    for (const bad of ['', mark, `${mark}~1~2~3`, `${mark}~1~2~3~4~5~6`, `${mark}~1~2~3~-4`]) {
      expect(readReceipt(mark, bad)).toBe('malformed');
    }
  });
});

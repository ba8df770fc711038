import { RunningBroker } from './running-broker.js';

interface Delivery {
  receipt: string;
  attempt: number;
  message: { id: string; body: unknown };
}

describe('consuming by pull', () => {
  let broker: RunningBroker;

  beforeAll(async () => {
    broker = await RunningBroker.start();
  });

  afterAll(() => broker.stop());

  let made = 0;
  /** A new topic with a pull subscription `g`. */
  const subscribe = async (settings: object = {}): Promise<string> => {
    const topic = `topic-${(made += 1)}`;
    const answer = await broker.put(`/v1/subscriptions/${topic}/g`, { mode: 'pull', ...settings });
    expect(answer.status).toBe(200);
    return topic;
  };
  const send = (topic: string, ...bodies: unknown[]) =>
    broker.post('/v1/messages', { messages: bodies.map((body) => ({ topic, body })) });
  const verb = (topic: string, name: string, body?: object) =>
    broker.post(`/v1/subscriptions/${topic}/g/${name}`, body);
  const receive = async (topic: string, body?: object): Promise<Delivery[]> =>
    (await verb(topic, 'receive', body)).body.deliveries;

  it('receives up to max, and nothing twice while it is visible to somebody', async () => {
    const topic = await subscribe();
    await send(topic, 1, 2, 3);
    const first = await receive(topic, { max: 2 });
    const second = await receive(topic, { max: 256 });
    expect([first.length, second.length, (await receive(topic)).length]).toEqual([2, 1, 0]);
    expect([...first, ...second].map(({ message }) => message.body).sort()).toEqual([1, 2, 3]);
  });

  it('waits for a first message', async () => {
    const topic = await subscribe();
    const waiting = receive(topic, { waitMs: 20_000 });
    await send(topic, 'late');
    expect(await waiting).toMatchObject([{ attempt: 1, message: { body: 'late', topic, attempt: 1 } }]);
  });

  it('settles each receipt on its own: good, stale, foreign and malformed ones in one call', async () => {
    const [topic, other] = [await subscribe(), await subscribe()];
    await send(topic, 1, 2);
    await send(other, 1);
    const [first, second] = await receive(topic, { max: 2 });
    const [foreign] = await receive(other);
    await verb(topic, 'ack', { receipts: [first!.receipt] });
    const receipts = [first!.receipt, second!.receipt, foreign!.receipt, 'nonsense'];
    const { status, body } = await verb(topic, 'ack', { receipts });
    expect(status).toBe(200);
    expect(body.results).toMatchObject([
      { receipt: receipts[0], problem: { type: 'urn:halfbox:problem:receipt-expired', status: 409 } },
      { receipt: receipts[1], ok: true },
      { receipt: receipts[2], problem: { type: 'urn:halfbox:problem:receipt-expired' } },
      { receipt: receipts[3], problem: { type: 'urn:halfbox:problem:validation-failed' } },
    ]);
  });

  it('receives from several subscriptions in one call, and acknowledges of them in one', async () => {
    const topics = [await subscribe(), await subscribe(), await subscribe()];
    const subscriptions = topics.map((topic) => ({ topic, group: 'g' }));
    await send(topics[0]!, 'one', { two: 2 });
    await send(topics[2]!, 'three');
    const received: (Delivery & { topic: string; group: string })[] = [];
    while (received.length < 3) {
      const { status, body } = await broker.post('/v1/deliveries/receive', { subscriptions, max: 10, waitMs: 20_000 });
      expect([status, body.notServed]).toEqual([200, []]);
      received.push(...body.deliveries);
    }
    const told = received.map(({ topic, group, attempt, message }) => [topic, group, attempt, message.body]);
    expect(told.sort()).toEqual([
      [topics[0], 'g', 1, { two: 2 }],
      [topics[0], 'g', 1, 'one'],
      [topics[2], 'g', 1, 'three'],
    ]);
    const deliveries = received.map(({ topic, group, receipt }) => ({ topic, group, receipt }));
    const acked = await broker.post('/v1/deliveries/ack', { deliveries });
    expect(acked.body.results).toEqual(deliveries.map(({ receipt }) => ({ receipt, ok: true })));
    const waiting = broker.post('/v1/deliveries/receive', { subscriptions, waitMs: 20_000 });
    await send(topics[1]!, 'late');
    expect((await waiting).body.deliveries).toMatchObject([{ topic: topics[1], message: { body: 'late' } }]);
  });

  it('refuses a call for several that names nothing, too much, or what it does not know', async () => {
    const name = { topic: 'orders', group: 'g' };
    const inputs: [path: string, body: object, field: string][] = [
      ['receive', {}, 'subscriptions'],
      ['receive', { subscriptions: [] }, 'subscriptions'],
      ['receive', { subscriptions: Array.from({ length: 1_001 }, () => name) }, 'subscriptions'],
      ['receive', { subscriptions: [name, { topic: 'a/b', group: 'g' }] }, 'subscriptions.1.topic'],
      ['receive', { subscriptions: [name], max: 257 }, 'max'],
      ['ack', { deliveries: [] }, 'deliveries'],
      ['ack', { deliveries: [{ ...name, receipt: '' }] }, 'deliveries.0.receipt'],
      ['ack', { deliveries: Array.from({ length: 257 }, () => ({ ...name, receipt: 'x' })) }, 'deliveries'],
    ];
    for (const [path, body, field] of inputs) {
      const answer = await broker.post(`/v1/deliveries/${path}`, body);
      expect([answer.status, answer.body.errors?.[0]?.path]).toEqual([400, field]);
    }
  });

  it('a nack comes again as the next attempt, after its own delay or that of the policy', async () => {
    const topic = await subscribe({ retry: { levelsMs: [0, 3_600_000] } });
    await send(topic, 1);
    const [first] = await receive(topic);
    expect((await verb(topic, 'nack', { receipts: [first!.receipt], error: 'boom' })).body.results[0].ok).toBe(true);
    const [second] = await receive(topic, { waitMs: 10_000 });
    expect(second!.attempt).toBe(2);
    await verb(topic, 'nack', { receipts: [second!.receipt], delayMs: 0 });
    const [third] = await receive(topic, { waitMs: 10_000 });
    expect(third!.attempt).toBe(3);
    expect((await broker.get(`/v1/subscriptions/${topic}/g`)).body).toMatchObject({ backlog: 1, inFlight: 1 });
  });

  it('deadLetter buries at once, with its error; release gives back without counting an attempt', async () => {
    const topic = await subscribe({ maxAttempts: 1 });
    await send(topic, 1);
    const [first] = await receive(topic);
    expect((await verb(topic, 'nack', { receipts: [first!.receipt], release: true })).body.results[0].ok).toBe(true);
    const [again] = await receive(topic, { waitMs: 10_000 });
    expect([again!.message.id, again!.attempt]).toEqual([first!.message.id, 1]);
    await verb(topic, 'nack', { receipts: [again!.receipt], deadLetter: true, error: 'never valid' });
    const { items } = (await broker.get(`/v1/dead-letters?topic=${topic}&group=g`)).body;
    expect(items).toMatchObject([{ messageId: first!.message.id, attempts: 1, error: 'never valid' }]);
    expect(await receive(topic, { waitMs: 0 })).toEqual([]);
  });

  it('an expired visibility is a failed attempt; an extended one lasts', async () => {
    const topic = await subscribe();
    await send(topic, 1, 2);
    const [kept, lost] = await receive(topic, { max: 2, visibilityMs: 1_000 });
    expect((await verb(topic, 'extend', { receipts: [kept!.receipt], visibilityMs: 60_000 })).body.results[0].ok).toBe(
      true,
    );
    const again = await receive(topic, { max: 2, waitMs: 20_000 });
    expect(again).toMatchObject([{ attempt: 2, message: { id: lost!.message.id } }]);
    const { results } = (await verb(topic, 'ack', { receipts: [kept!.receipt, lost!.receipt] })).body;
    expect(results.map(({ ok }: { ok?: boolean }) => ok === true)).toEqual([true, false]);
  });

  it('a paused subscription answers an empty list, and delivers again when resumed', async () => {
    const topic = await subscribe();
    await send(topic, 1);
    expect((await verb(topic, 'pause')).body).toMatchObject({ paused: true, backlog: 1 });
    expect(await receive(topic)).toEqual([]);
    expect((await verb(topic, 'resume')).body).toMatchObject({ paused: false });
    expect(await receive(topic, { waitMs: 10_000 })).toHaveLength(1);
  });

  it('seeks to the start, the end and a time; older receipts no longer count', async () => {
    const topic = await subscribe();
    await send(topic, 1, 2);
    const taken = await receive(topic, { max: 10 });
    expect((await verb(topic, 'seek', { to: 'earliest' })).status).toBe(200);
    const stale = await verb(topic, 'ack', { receipts: taken.map(({ receipt }) => receipt) });
    expect(stale.body.results.every(({ ok }: { ok?: boolean }) => ok === undefined)).toBe(true);
    expect(await receive(topic, { max: 10, waitMs: 10_000 })).toHaveLength(2);
    expect((await verb(topic, 'seek', { to: 'latest' })).body).toMatchObject({ backlog: 0 });
    expect(await receive(topic, { waitMs: 200 })).toEqual([]);
    const past = new Date(Date.now() - 60_000).toISOString();
    expect((await verb(topic, 'seek', { to: past })).body).toMatchObject({ backlog: 2 });
    expect(await receive(topic, { max: 10, waitMs: 10_000 })).toHaveLength(2);
  });

  it('hands out no more than maxInFlight', async () => {
    const topic = await subscribe({ maxInFlight: 2 });
    await send(topic, 1, 2, 3);
    const first = await receive(topic, { max: 10 });
    expect(first).toHaveLength(2);
    expect(await receive(topic, { max: 10 })).toEqual([]);
    await verb(topic, 'ack', { receipts: [first[0]!.receipt] });
    expect(await receive(topic, { max: 10, waitMs: 10_000 })).toHaveLength(1);
  });

  it('keeps the order of an ordering key, one at a time', async () => {
    const topic = await subscribe();
    const messages = [1, 2, 3].map((body) => ({ topic, orderingKey: 'k', body }));
    await broker.post('/v1/messages', { messages });
    for (const expected of [1, 2, 3]) {
      const [delivery, ...others] = await receive(topic, { max: 10, waitMs: 10_000 });
      expect([delivery!.message.body, others.length]).toEqual([expected, 0]);
      await verb(topic, 'ack', { receipts: [delivery!.receipt] });
    }
  });

  it('gives only the tags of its filter', async () => {
    const topic = await subscribe({ filter: 'a || b' });
    expect((await broker.get(`/v1/subscriptions/${topic}/g`)).body.filter).toBe('a||b');
    const messages = ['a', 'b', 'c', undefined].map((tag) => ({ topic, tag, body: tag ?? 'none' }));
    await broker.post('/v1/messages', { messages });
    const deliveries = await receive(topic, { max: 10, waitMs: 10_000 });
    expect(deliveries.map(({ message }) => message.body).sort()).toEqual(['a', 'b']);
  });

  it('starts at latest, earliest or a time', async () => {
    const topic = `topic-${(made += 1)}`;
    await send(topic, 1);
    const backlogOf = async (group: string, startFrom: string) =>
      (await broker.put(`/v1/subscriptions/${topic}/${group}`, { mode: 'pull', startFrom })).body.backlog;
    expect(await backlogOf('end', 'latest')).toBe(0);
    expect(await backlogOf('start', 'earliest')).toBe(1);
    expect(await backlogOf('before', new Date(Date.now() - 60_000).toISOString())).toBe(1);
    expect(await backlogOf('after', new Date(Date.now() + 60_000).toISOString())).toBe(0);
  });

  it('only mode pull can be received from; an unknown subscription is 404', async () => {
    const topic = `topic-${(made += 1)}`;
    await broker.put(`/v1/subscriptions/${topic}/g`, { mode: 'queue' });
    const wrong = await verb(topic, 'receive');
    expect([wrong.status, wrong.body.type]).toEqual([409, 'urn:halfbox:problem:wrong-mode']);
    for (const [name, body] of Object.entries({ receive: {}, ack: { receipts: ['a'] }, nack: { receipts: ['a'] } })) {
      const answer = await broker.post(`/v1/subscriptions/${topic}/nobody/${name}`, body);
      expect([answer.status, answer.body.type]).toEqual([404, 'urn:halfbox:problem:subscription-not-found']);
    }
  });
});

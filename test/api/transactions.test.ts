import { RunningBroker, type Answer } from './running-broker.js';

describe('transactions', () => {
  let broker: RunningBroker;

  beforeAll(async () => {
    broker = await RunningBroker.start();
  });

  afterAll(() => broker.stop());

  let made = 0;
  const newId = () => `tx-${(made += 1)}`;
  const prepare = (fields: object = {}): Promise<Answer> =>
    broker.post('/v1/transactions', { producer: 'shop', messages: [{ topic: 'orders', body: 1 }], ...fields });
  const slugOf = (answer: Answer) => String(answer.body.type).replace('urn:halfbox:problem:', '');

  it('prepare answers 201 with the id, the state, the first check and the ids of the messages', async () => {
    const before = Date.now();
    const answer = await prepare({
      id: newId(),
      firstCheckAfterMs: 60_000,
      messages: [
        { topic: 'a', id: 'a-1', body: null },
        { topic: 'b', bodyBase64: 'AP8=' },
      ],
    });
    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({ state: 'prepared', messages: [{ id: 'a-1', topic: 'a' }, { topic: 'b' }] });
    expect(Date.parse(answer.body.firstCheckAt) - before).toBeGreaterThan(59_000);
  });

  it('shows the instance that prepared; a repeat by another one is a repeat', async () => {
    const [id, other] = [newId(), newId()];
    expect((await prepare({ id, instance: 'pod:1' })).status).toBe(201);
    expect((await prepare({ id, instance: 'pod:2' })).status).toBe(200);
    expect((await broker.get(`/v1/transactions/${id}`)).body.instance).toBe('pod:1');
    const batch = await broker.post('/v1/transactions/batch', {
      prepare: [{ id: other, producer: 'shop', instance: 'pod:3', messages: [{ topic: 'orders', body: 1 }] }],
    });
    expect(batch.body.prepare[0].state).toBe('prepared');
    expect((await broker.get(`/v1/transactions/${other}`)).body.instance).toBe('pod:3');
    expect((await prepare({ instance: 'a b' })).status).toBe(400);
  });

  it('a repeated prepare answers 200 with the ids given then and the present state', async () => {
    const id = newId();
    const first = await prepare({ id });
    const second = await prepare({ id });
    expect([first.status, second.status]).toEqual([201, 200]);
    expect(second.body).toEqual(first.body);
    await broker.post(`/v1/transactions/${id}/commit`);
    expect((await prepare({ id })).body).toEqual({ ...first.body, state: 'committed' });
  });

  it.each([
    ['another body', { messages: [{ topic: 'orders', body: 2 }] }],
    ['another producer', { producer: 'other' }],
    [
      'one message more',
      {
        messages: [
          { topic: 'orders', body: 1 },
          { topic: 'orders', body: 1 },
        ],
      },
    ],
  ])('an id used for %s is 409 id-reused', async (_, fields) => {
    const id = newId();
    await prepare({ id });
    const again = await prepare({ id, ...fields });
    expect([again.status, slugOf(again)]).toEqual([409, 'id-reused']);
  });

  it('commit and rollback are repeatable, and the opposite one is refused for good', async () => {
    const [committed, rolledBack] = [newId(), newId()];
    for (const id of [committed, rolledBack]) await prepare({ id });
    const first = await broker.post(`/v1/transactions/${committed}/commit`);
    expect(first.body).toMatchObject({ id: committed, state: 'committed', resolvedBy: 'client' });
    expect(first.body.messages[0]).toMatchObject({
      topic: 'orders',
      shard: expect.any(Number),
      offset: expect.any(Number),
    });
    expect((await broker.post(`/v1/transactions/${committed}/commit`)).body).toEqual(first.body);
    const opposite = await broker.post(`/v1/transactions/${committed}/rollback`);
    expect([opposite.status, slugOf(opposite)]).toEqual([409, 'transaction-already-committed']);

    const back = await broker.post(`/v1/transactions/${rolledBack}/rollback`);
    expect(back.body).toMatchObject({ state: 'rolled_back', resolvedBy: 'client' });
    expect(back.body.messages[0]).not.toHaveProperty('offset');
    expect((await broker.post(`/v1/transactions/${rolledBack}/rollback`)).body).toEqual(back.body);
    const late = await broker.post(`/v1/transactions/${rolledBack}/commit`);
    expect([late.status, slugOf(late)]).toEqual([409, 'transaction-already-rolled-back']);
  });

  it('the commit of a delayed message answers when it is due, not where it lies', async () => {
    const { id } = (await prepare({ messages: [{ topic: 'orders', body: 1, delayMs: 3_600_000 }] })).body;
    const { body } = await broker.post(`/v1/transactions/${id}/commit`, {});
    expect(body.messages[0]).toMatchObject({ topic: 'orders', deliverAt: expect.stringMatching(/Z$/) });
    expect(body.messages[0]).not.toHaveProperty('offset');
  });

  it('an operator resolves with a reason, and is named as the resolver', async () => {
    const { id } = (await prepare()).body;
    const answer = await broker.post(`/v1/transactions/${id}/commit`, { by: 'operator', reason: 'paid by phone' });
    expect(answer.body).toMatchObject({ state: 'committed', resolvedBy: 'operator' });
    expect((await broker.get(`/v1/transactions/${id}`)).body).toMatchObject({ reason: 'paid by phone' });
    const { items } = await broker.services.store.catalog.listAudit(undefined, 10);
    expect(items.at(-1)).toMatchObject({ action: 'transaction.commit', target: id, reason: 'paid by phone' });
  });

  it.each(['commit', 'rollback', 'check'])('%s of an unknown transaction is 404', async (verb) => {
    const answer = await broker.post(`/v1/transactions/nobody/${verb}`);
    expect([answer.status, slugOf(answer)]).toEqual([404, 'transaction-not-found']);
  });

  it('get shows messages and checks, and bodies only when asked', async () => {
    const { id } = (await prepare({ messages: [{ topic: 'orders', key: 'k', body: { a: 1 } }] })).body;
    const shown = await broker.get(`/v1/transactions/${id}`);
    expect(shown.body).toMatchObject({ id, producer: 'shop', state: 'prepared', checks: [] });
    expect(shown.body.messages[0]).not.toHaveProperty('body');
    const full = await broker.get(`/v1/transactions/${id}?bodies=true`);
    expect(full.body.messages[0]).toMatchObject({ key: 'k', body: { a: 1 } });
    expect((await broker.get('/v1/transactions/nobody')).status).toBe(404);
  });

  it('a check of a producer without a way to be asked is unreachable and changes nothing', async () => {
    const { id } = (await prepare({ producer: 'mute' })).body;
    const checked = await broker.post(`/v1/transactions/${id}/check`);
    expect(checked.body).toMatchObject({ state: 'prepared', checks: [{ attempt: 1, outcome: 'unreachable' }] });
    expect((await broker.get('/v1/producers/mute')).body).toMatchObject({ reachable: false });
  });

  it('lists by state, producer and topic, page by page', async () => {
    const ids = [newId(), newId(), newId()];
    for (const id of ids) await prepare({ id, producer: 'lister', messages: [{ topic: 'listed', body: 1 }] });
    await broker.post(`/v1/transactions/${ids[2]}/commit`);
    const listed = async (query: string) =>
      (await broker.get(`/v1/transactions?${query}`)).body.items.map(({ id }: { id: string }) => id).sort();
    expect(await listed('producer=lister')).toEqual([...ids].sort());
    expect(await listed('topic=listed&state=prepared')).toEqual(ids.slice(0, 2).sort());
    const seen: string[] = [];
    for (let next: string | null = ''; next !== null;) {
      const after: string = next === '' ? '' : `&after=${encodeURIComponent(next)}`;
      const { body } = await broker.get(`/v1/transactions?producer=lister&limit=2${after}`);
      expect(body.items.length).toBeLessThanOrEqual(2);
      seen.push(...body.items.map(({ id }: { id: string }) => id));
      next = body.next;
    }
    expect(seen.sort()).toEqual([...ids].sort());
  });

  it('a batch has a result or a problem per item, in order: prepares, then commits, then rollbacks', async () => {
    const [a, b, c] = [newId(), newId(), newId()];
    const item = (id: string) => ({ id, producer: 'shop', messages: [{ topic: 'orders', body: 1 }] });
    await prepare({ id: c });
    const { status, body } = await broker.post('/v1/transactions/batch', {
      prepare: [item(a), { id: 'bad', producer: 'shop' }, 7, item(b)],
      commit: [a, 'nobody', 'no id!'],
      rollback: [b, c, a],
    });
    expect(status).toBe(200);
    expect(body.prepare).toMatchObject([
      { id: a, state: 'prepared' },
      { id: 'bad', problem: { status: 400, errors: [{ path: 'messages', reason: 'is missing' }] } },
      { problem: { status: 400 } },
      { id: b, state: 'prepared' },
    ]);
    expect(body.commit).toMatchObject([
      { id: a, state: 'committed', messages: [{ offset: expect.any(Number) }] },
      { id: 'nobody', problem: { type: 'urn:halfbox:problem:transaction-not-found' } },
      { id: 'no id!', problem: { type: 'urn:halfbox:problem:validation-failed' } },
    ]);
    expect(body.rollback).toMatchObject([
      { id: b, state: 'rolled_back' },
      { id: c, state: 'rolled_back' },
      { id: a, problem: { type: 'urn:halfbox:problem:transaction-already-committed' } },
    ]);
    expect((await broker.post('/v1/transactions/batch', {})).body).toEqual({ prepare: [], commit: [], rollback: [] });
  });
});

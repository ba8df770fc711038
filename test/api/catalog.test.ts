import { RunningBroker, type Answer } from './running-broker.js';

describe('topics, producers, subscriptions and dead letters', () => {
  let broker: RunningBroker;

  beforeAll(async () => {
    broker = await RunningBroker.start();
  });

  afterAll(() => broker.stop());

  const slugOf = (answer: Answer) => String(answer.body.type).replace('urn:halfbox:problem:', '');
  const auditOf = async (target: string) => {
    const { items } = await broker.services.store.catalog.listAudit(undefined, 500);
    return items.filter((entry) => entry.target === target).map(({ action }) => action);
  };
  /** All items of a list, read in pages of two. */
  const pages = async (path: string): Promise<Record<string, unknown>[]> => {
    const items: Record<string, unknown>[] = [];
    for (let next: string | null | undefined; next !== null;) {
      const after: string = next === undefined ? '' : `&after=${encodeURIComponent(next)}`;
      const { body } = await broker.get(`${path}${path.includes('?') ? '&' : '?'}limit=2${after}`);
      items.push(...body.items);
      next = body.next;
    }
    return items;
  };

  describe('topics', () => {
    it('are created with defaults and changed, but keep their shards', async () => {
      const created = await broker.put('/v1/topics/t1');
      expect(created.body).toMatchObject({
        topic: 't1',
        shards: 4,
        retentionMs: 72 * 3_600_000,
        maxBodyBytes: 4 * 1024 * 1024,
      });
      const changed = await broker.put('/v1/topics/t1', { retentionMs: 60_000, maxBodyBytes: 100 });
      expect(changed.body).toMatchObject({ shards: 4, retentionMs: 60_000, maxBodyBytes: 100 });
      expect((await broker.get('/v1/topics/t1')).body).toEqual(changed.body);
      expect((await broker.put('/v1/topics/t1', { shards: 4 })).status).toBe(200);
      const more = await broker.put('/v1/topics/t1', { shards: 8 });
      expect([more.status, slugOf(more)]).toEqual([409, 'already-exists']);
      expect((await broker.put('/v1/topics/t2', { shards: 1 })).body.shards).toBe(1);
    });

    it('are listed page by page', async () => {
      for (const name of ['l.a', 'l.b', 'l.c']) await broker.put(`/v1/topics/${name}`);
      expect((await pages('/v1/topics')).map(({ topic }) => topic)).toEqual(
        expect.arrayContaining(['l.a', 'l.b', 'l.c']),
      );
    });

    it('are deleted when empty, or by force, which is audited', async () => {
      expect(slugOf(await broker.get('/v1/topics/nobody'))).toBe('topic-not-found');
      expect(slugOf(await broker.remove('/v1/topics/nobody'))).toBe('topic-not-found');
      await broker.put('/v1/topics/empty');
      expect((await broker.remove('/v1/topics/empty')).status).toBe(204);
      await broker.put('/v1/subscriptions/full/g', { mode: 'pull' });
      await broker.post('/v1/messages', { topic: 'full', body: 1 });
      const refused = await broker.remove('/v1/topics/full');
      expect([refused.status, slugOf(refused)]).toEqual([409, 'not-empty']);
      expect((await broker.remove('/v1/topics/full?force=true')).status).toBe(204);
      expect(await auditOf('full')).toEqual(['topic.delete']);
      expect((await broker.get('/v1/topics/full')).status).toBe(404);
      expect((await broker.get('/v1/subscriptions/full/g')).status).toBe(404);
    });
  });

  describe('producers', () => {
    const checkBack = { type: 'http', url: 'http://127.0.0.1:9/check' };

    it('answer a secret where they can be asked, kept by later puts, rotated on demand', async () => {
      const mute = await broker.put('/v1/producers/mute', {});
      expect(mute.body).toMatchObject({ producer: 'mute', reachable: false });
      expect(mute.body).not.toHaveProperty('secret');
      const settings = { checkBack, firstCheckAfterMs: 100, checkIntervalMs: 1_000, checkMax: 3 };
      const first = await broker.put('/v1/producers/shop', settings);
      expect(first.body).toMatchObject({
        ...settings,
        reachable: true,
        secret: expect.stringMatching(/^whsec_.{40,}/),
      });
      expect((await broker.put('/v1/producers/shop', settings)).body.secret).toBe(first.body.secret);
      const shown = (await broker.get('/v1/producers/shop')).body;
      expect(shown).toMatchObject(settings);
      expect(shown).not.toHaveProperty('secret');
      const rotated = await broker.post('/v1/producers/shop/rotate-secret');
      expect(rotated.body.secret).not.toBe(first.body.secret);
      expect((await broker.put('/v1/producers/shop', settings)).body.secret).toBe(rotated.body.secret);
    });

    it('without a check-back, or unknown, have no secret to rotate', async () => {
      await broker.put('/v1/producers/plain', {});
      expect(slugOf(await broker.post('/v1/producers/plain/rotate-secret'))).toBe('no-secret');
      expect(slugOf(await broker.post('/v1/producers/nobody/rotate-secret'))).toBe('producer-not-found');
      expect(slugOf(await broker.get('/v1/producers/nobody'))).toBe('producer-not-found');
      expect(slugOf(await broker.remove('/v1/producers/nobody'))).toBe('producer-not-found');
    });

    it('are deleted when no transaction is open, or by force', async () => {
      await broker.post('/v1/transactions', { producer: 'busy', messages: [{ topic: 'orders', body: 1 }] });
      expect(slugOf(await broker.remove('/v1/producers/busy'))).toBe('not-empty');
      expect((await broker.remove('/v1/producers/busy?force=true')).status).toBe(204);
      expect(await auditOf('busy')).toEqual(['producer.delete']);
      await broker.put('/v1/producers/idle', {});
      expect((await broker.remove('/v1/producers/idle')).status).toBe(204);
      for (const name of ['p1', 'p2', 'p3']) await broker.put(`/v1/producers/${name}`, {});
      expect((await pages('/v1/producers')).map(({ producer }) => producer)).toEqual(
        expect.arrayContaining(['p1', 'p2', 'p3']),
      );
    });
  });

  describe('subscriptions', () => {
    it('have defaults, are replaced as a whole, and keep their mode', async () => {
      const created = await broker.put('/v1/subscriptions/orders/billing', { mode: 'pull', maxAttempts: 3 });
      expect(created.body).toMatchObject({
        topic: 'orders',
        group: 'billing',
        mode: 'pull',
        filter: '*',
        maxAttempts: 3,
        onDeadLetter: 'continue',
        paused: false,
        backlog: 0,
        inFlight: 0,
        retrying: 0,
        dead: 0,
      });
      expect(created.body.retry.levelsMs).toHaveLength(16);
      const retry = { initialMs: 10, factor: 2, maxMs: 1_000, jitter: 0.1 };
      const replaced = await broker.put('/v1/subscriptions/orders/billing', {
        mode: 'pull',
        retry,
        ratePerSecond: 5,
        maxInFlight: 9,
      });
      expect(replaced.body).toMatchObject({ maxAttempts: 17, retry, ratePerSecond: 5, maxInFlight: 9 });
      const queued = async (settings: object): Promise<unknown> =>
        (await broker.put('/v1/subscriptions/orders/packed', { mode: 'queue', ...settings })).body.messagesPerJob;
      expect([await queued({ messagesPerJob: 256 }), await queued({})]).toEqual([256, 1]);
      const otherMode = await broker.put('/v1/subscriptions/orders/billing', { mode: 'queue' });
      expect([otherMode.status, slugOf(otherMode)]).toEqual([409, 'already-exists']);
      const shown = (await broker.get('/v1/subscriptions/orders/billing')).body;
      expect(shown).toMatchObject({ maxInFlight: 9 });
    });

    it('of mode push answer a secret, kept and rotated', async () => {
      const settings = { mode: 'push', push: { url: 'http://127.0.0.1:9/hook' } };
      const first = await broker.put('/v1/subscriptions/orders/pushed', settings);
      expect(first.body).toMatchObject({ push: { timeoutMs: 15_000 }, secret: expect.stringMatching(/^whsec_/) });
      expect((await broker.put('/v1/subscriptions/orders/pushed', settings)).body.secret).toBe(first.body.secret);
      expect((await broker.get('/v1/subscriptions/orders/pushed')).body).not.toHaveProperty('secret');
      const rotated = await broker.post('/v1/subscriptions/orders/pushed/rotate-secret');
      expect(rotated.body.secret).toMatch(/^whsec_/);
      expect(rotated.body.secret).not.toBe(first.body.secret);
      await broker.put('/v1/subscriptions/orders/pulled', { mode: 'pull' });
      expect(slugOf(await broker.post('/v1/subscriptions/orders/pulled/rotate-secret'))).toBe('no-secret');
    });

    it('forward to another topic, never in a circle', async () => {
      const forward = (from: string, to: string) =>
        broker.put(`/v1/subscriptions/${from}/forwarder`, { mode: 'forward', forward: { topic: to } });
      expect((await forward('f1', 'f2')).status).toBe(200);
      expect((await forward('f2', 'f3')).status).toBe(200);
      for (const [from, to] of [
        ['f3', 'f1'],
        ['f4', 'f4'],
      ] as const) {
        const loop = await forward(from, to);
        expect([loop.status, loop.body.errors[0].path]).toEqual([400, 'forward.topic']);
      }
      await broker.put('/v1/subscriptions/f2/end', { mode: 'pull' });
      await broker.post('/v1/messages', { id: 'original', topic: 'f1', key: 'k', body: { a: 1 } });
      const { deliveries } = (await broker.post('/v1/subscriptions/f2/end/receive', { waitMs: 20_000 })).body;
      expect(deliveries[0].message).toMatchObject({ topic: 'f2', key: 'k', body: { a: 1 } });
      expect(deliveries[0].message.headers['halfbox-origin-id']).toBe('original');
    });

    it('are listed, also of one topic, and deleted when empty or by force', async () => {
      for (const group of ['a', 'b', 'c']) await broker.put(`/v1/subscriptions/listed/${group}`, { mode: 'pull' });
      expect((await pages('/v1/subscriptions?topic=listed')).map(({ group }) => group)).toEqual(['a', 'b', 'c']);
      expect((await pages('/v1/subscriptions')).length).toBeGreaterThan(3);
      await broker.post('/v1/messages', { topic: 'listed', body: 1 });
      expect(slugOf(await broker.remove('/v1/subscriptions/listed/a'))).toBe('not-empty');
      expect((await broker.remove('/v1/subscriptions/listed/a?force=true')).status).toBe(204);
      expect(await auditOf('listed/a')).toEqual(['subscription.delete']);
      await broker.post('/v1/subscriptions/listed/b/seek', { to: 'latest' });
      expect((await broker.remove('/v1/subscriptions/listed/b')).status).toBe(204);
      expect((await broker.get('/v1/subscriptions/listed/b')).status).toBe(404);
    });

    it.each(['pause', 'resume', 'rotate-secret'])('%s of an unknown one is 404', async (verb) => {
      expect(slugOf(await broker.post(`/v1/subscriptions/orders/nobody/${verb}`))).toBe('subscription-not-found');
    });

    it('seek and delete of an unknown one are 404', async () => {
      expect(slugOf(await broker.post('/v1/subscriptions/orders/nobody/seek', { to: 'latest' }))).toBe(
        'subscription-not-found',
      );
      expect(slugOf(await broker.remove('/v1/subscriptions/orders/nobody'))).toBe('subscription-not-found');
    });
  });

  describe('dead letters', () => {
    /** Lets messages of a new subscription die at their first attempt. */
    const die = async (topic: string, count: number): Promise<void> => {
      await broker.put(`/v1/subscriptions/${topic}/g`, { mode: 'pull', maxAttempts: 1 });
      const messages = Array.from({ length: count }, (_, n) => ({ topic, key: `k${n}`, tag: 't', body: n }));
      await broker.post('/v1/messages', { messages });
      for (let died = 0; died < count;) {
        const { deliveries } = (await broker.post(`/v1/subscriptions/${topic}/g/receive`, { max: 256, waitMs: 10_000 }))
          .body;
        const receipts = deliveries.map(({ receipt }: { receipt: string }) => receipt);
        await broker.post(`/v1/subscriptions/${topic}/g/nack`, { receipts, error: 'broken' });
        died += receipts.length;
      }
    };

    it('are listed with what killed them, redriven and discarded by id or by subscription', async () => {
      await die('dying', 3);
      const letters = await pages('/v1/dead-letters?topic=dying&group=g');
      expect(letters).toHaveLength(3);
      expect(letters[0]).toMatchObject({ topic: 'dying', group: 'g', tag: 't', attempts: 1, error: 'broken' });
      expect(letters[0]!.key).toMatch(/^k\d$/);
      expect((await broker.get('/v1/subscriptions/dying/g')).body).toMatchObject({ dead: 3, backlog: 0 });

      const redriven = await broker.post('/v1/dead-letters/redrive', { ids: [letters[0]!.id] });
      expect(redriven.body).toEqual({ count: 1 });
      const [again] = (await broker.post('/v1/subscriptions/dying/g/receive', { waitMs: 10_000 })).body.deliveries;
      expect(again).toMatchObject({ attempt: 1, message: { id: letters[0]!.messageId } });
      expect((await broker.post('/v1/dead-letters/discard', { ids: [letters[1]!.id] })).body).toEqual({ count: 1 });
      expect((await broker.post('/v1/dead-letters/discard', { ids: [letters[1]!.id] })).body).toEqual({ count: 0 });
      expect((await broker.post('/v1/dead-letters/redrive', { topic: 'dying', group: 'g' })).body).toEqual({
        count: 1,
      });
      expect((await broker.get('/v1/subscriptions/dying/g')).body).toMatchObject({ dead: 0 });
    });

    it('of an unknown subscription are 404', async () => {
      const answer = await broker.post('/v1/dead-letters/redrive', { topic: 'orders', group: 'nobody' });
      expect([answer.status, slugOf(answer)]).toEqual([404, 'subscription-not-found']);
    });
  });
});

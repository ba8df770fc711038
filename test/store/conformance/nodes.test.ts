import { describeConformance, type ConformingStore } from '../databases.js';
import { claimOne } from './log-fixture.js';

describeConformance('nodes', (open) => {
  let opened: ConformingStore;
  beforeAll(async () => {
    opened = await open();
  });

  const node = (id: string, expiresAt: number) => ({
    id,
    url: `http://${id}:3900`,
    version: '1.2.3',
    startedAt: 5,
    expiresAt,
  });

  it('has one row a node, which it renews', async () => {
    const { nodes } = opened.store;
    await nodes.renew(node('b', 100));
    await nodes.renew(node('a', 100));
    await nodes.renew({ ...node('b', 200), url: 'http://moved' });
    expect(await nodes.live(50)).toEqual([
      { ...node('a', 100), subscriptions: 0 },
      { ...node('b', 200), url: 'http://moved', subscriptions: 0 },
    ]);
  });

  it('shows the live ones only', async () => {
    const { nodes } = opened.store;
    expect((await nodes.live(100)).map((row) => row.id)).toEqual(['b']);
    expect(await nodes.live(200)).toEqual([]);
  });

  it('counts the subscriptions that each owns', async () => {
    const { store } = opened;
    await store.catalog.putTopic({ name: 't', shards: 1, retentionMs: 1, bodyBytesMax: 1, createdAt: 1 });
    const config = {
      mode: 'pull' as const,
      filter: '*',
      maxAttempts: 3,
      retry: { fixedMs: 1_000 },
      maxInFlight: 10,
      onDeadLetter: 'continue' as const,
    };
    for (const group of ['g1', 'g2', 'g3']) {
      const { subscription } = await store.subscriptions.put('t', group, config, 'latest', undefined, 1);
      if (group !== 'g3') await claimOne(store.lanes, 't', group, subscription.epoch, 'b', 50);
    }
    expect((await store.nodes.live(50)).map((row) => [row.id, row.subscriptions])).toEqual([
      ['a', 0],
      ['b', 2],
    ]);
  });

  it('forgets those that left, and those that ended long ago', async () => {
    const { nodes } = opened.store;
    await nodes.renew(node('c', 300));
    await nodes.remove('c');
    await nodes.remove('c');
    await nodes.removeExpired(150);
    expect((await nodes.live(0)).map((row) => row.id)).toEqual(['b']);
  });

  it('has one identity, whoever asks first', async () => {
    const other = await opened.another();
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) => (index % 2 === 0 ? opened.store : other).nodes.identity()),
    );
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(answers[0]!.storeId).not.toBe('');
    expect(Buffer.from(answers[0]!.nodeSecret, 'base64url')).toHaveLength(32);
  });
});

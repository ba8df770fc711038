import type { MessageStore } from '../../../src/store/message-store.js';
import { describeConformance, type ConformingStore } from '../databases.js';
import { unique } from './half-fixture.js';

describeConformance('StreamStore', (open) => {
  let opened: ConformingStore;
  let store: MessageStore;

  beforeAll(async () => {
    opened = await open();
    store = opened.store;
    for (const id of ['node-a', 'node-b']) await store.nodes.renew(node(id, 1_000));
  });

  const node = (id: string, expiresAt: number) => {
    return { id, url: `http://${id}:3900`, version: '1', startedAt: 5, expiresAt };
  };
  const stream = (producer: string, instance: string, nodeId = 'node-a') => ({ producer, instance, nodeId });
  const live = (producer: string, instance: string, nodeId = 'node-a') => {
    return { producer, instance, nodeId, nodeUrl: `http://${nodeId}:3900` };
  };

  it('finds the streams of a producer with the address of their node, those of the instance first', async () => {
    const [shop, bank] = [unique('shop'), unique('bank')];
    await store.streams.open([stream(shop, 'i3'), stream(shop, 'i1'), stream(bank, 'i2')], 10);
    await store.streams.open([stream(shop, 'i2', 'node-b'), stream(shop, 'i3', 'node-b')], 11);
    expect(await store.streams.find(shop, 'i3', 500, 10)).toEqual([
      live(shop, 'i3', 'node-a'),
      live(shop, 'i3', 'node-b'),
      live(shop, 'i1'),
      live(shop, 'i2', 'node-b'),
    ]);
    expect(await store.streams.find(shop, undefined, 500, 2)).toEqual([live(shop, 'i1'), live(shop, 'i2', 'node-b')]);
    expect(await store.streams.find(shop, 'i2', 500, 0)).toEqual([live(shop, 'i2', 'node-b')]);
    expect(await store.streams.find(unique('nobody'), 'i1', 500, 10)).toEqual([]);
  });

  it('tells names apart byte by byte', async () => {
    const shop = unique('shop');
    await store.streams.open([stream(shop, 'a'), stream(shop, 'A')], 10);
    await store.streams.close([stream(shop, 'a')]);
    expect(await store.streams.find(shop, undefined, 500, 10)).toEqual([live(shop, 'A')]);
  });

  it('keeps since when a stream is open when it is stored again, and knows the newest of each producer', async () => {
    const [shop, bank, none] = [unique('shop'), unique('bank'), unique('none')];
    await store.streams.open([stream(shop, 'i1')], 10);
    await store.streams.open([stream(shop, 'i1'), stream(bank, 'i1')], 20);
    expect(await store.streams.newest([shop, bank, none], 500)).toEqual(
      new Map([
        [shop, 10],
        [bank, 20],
      ]),
    );
    await store.streams.open([stream(shop, 'i2', 'node-b')], 30);
    expect(await store.streams.newest([shop], 500)).toEqual(new Map([[shop, 30]]));
    expect(await store.streams.newest([], 500)).toEqual(new Map());
  });

  it('forgets closed streams; closing one that is gone does nothing', async () => {
    const shop = unique('shop');
    const many = Array.from({ length: 450 }, (_, index) => stream(shop, `i${index}`));
    await store.streams.open(many, 10);
    expect(await store.streams.find(shop, undefined, 500, 1_000)).toHaveLength(450);
    await store.streams.close(many.slice(1));
    await store.streams.close(many.slice(1));
    await store.streams.close([]);
    expect(await store.streams.find(shop, undefined, 500, 1_000)).toEqual([live(shop, 'i0')]);
  });

  it('shows none of a node whose lease has ended, and removes them with the row of their node', async () => {
    const shop = unique('shop');
    await store.nodes.renew(node('node-c', 300));
    await store.nodes.renew(node('node-d', 9_000));
    await store.streams.open([stream(shop, 'i1', 'node-c'), stream(shop, 'i2', 'node-d'), stream(shop, 'i3')], 10);
    expect(await store.streams.find(shop, 'i1', 299, 10)).toHaveLength(3);
    expect(await store.streams.find(shop, 'i1', 300, 10)).toEqual([live(shop, 'i2', 'node-d'), live(shop, 'i3')]);
    await store.nodes.removeExpired(500);
    await store.nodes.remove('node-d');
    // Rows that were left would show again beside a node of that name.
    for (const id of ['node-c', 'node-d']) await store.nodes.renew(node(id, 9_000));
    expect(await store.streams.find(shop, 'i1', 299, 10)).toEqual([live(shop, 'i3')]);
    expect((await store.streams.newest([shop], 299)).get(shop)).toBe(10);
  });

  it('two nodes store and forget streams at once without harm', async () => {
    const shop = unique('shop');
    const other = await opened.another();
    const of = (nodeId: string) => Array.from({ length: 40 }, (_, index) => stream(shop, `i${index}`, nodeId));
    for (let round = 0; round < 5; round += 1) {
      await Promise.all([store.streams.open(of('node-a'), 10), other.streams.open(of('node-b'), 10)]);
      await Promise.all([store.streams.close(of('node-a')), other.streams.close(of('node-b'))]);
    }
    expect(await store.streams.find(shop, undefined, 500, 100)).toEqual([]);
  });
});

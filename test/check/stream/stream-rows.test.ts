import { OpenStreams } from '../../../src/check/stream/open-streams.js';
import { StreamRows } from '../../../src/check/stream/stream-rows.js';
import type { Stream } from '../../../src/check/stream/stream.js';
import { Problem } from '../../../src/message/problem.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { describeEachStore, type TestStore } from '../../store/databases.js';

describeEachStore('StreamRows', (openStore) => {
  let opened: TestStore;
  let open: OpenStreams;
  let rows: StreamRows;
  let told: string[];
  let storeIsAway: boolean;
  const clock = { time: 1_000_000, now: (): number => clock.time };

  beforeAll(async () => {
    opened = await openStore();
    await renew();
  });

  beforeEach(() => {
    told = [];
    storeIsAway = false;
    open = new OpenStreams({ streamsMax: 100, streamsPerProducerMax: 100 }, clock, (error) => {
      throw error;
    });
    const { streams } = opened.store;
    rows = new StreamRows({
      open,
      store: {
        open: (...call) => (storeIsAway ? Promise.reject(new Problem('unavailable', 'away')) : streams.open(...call)),
        close: (...call) => streams.close(...call),
      },
      nodeId: 'node-a',
      clock,
      logger: silentLogger,
      refreshMs: 30_000,
      onStored: async (producer) => void told.push(producer),
    });
  });

  const renew = () =>
    opened.store.nodes.renew({ id: 'node-a', url: 'http://a', version: '1', startedAt: 1, expiresAt: 9e12 });
  const stream = (producer: string, instance: string): Stream => {
    return { producer, instance, inProcess: false, ask: () => Promise.reject(new Error('not asked')), close() {} };
  };
  const stored = async (producer: string) => {
    const found = await opened.store.streams.find(producer, undefined, clock.time, 100);
    return found.map(({ instance }) => instance);
  };

  it('writes what was opened and closed, and tells of producers after they can be found', async () => {
    const [a, b] = [stream('one', 'a'), stream('one', 'b')];
    open.add(a);
    open.add(b);
    open.add(stream('two', 'a'));
    await rows.runOnce(clock.time);
    expect([await stored('one'), await stored('two')]).toEqual([['a', 'b'], ['a']]);
    expect(told).toEqual(['one', 'two']);
    open.remove(a);
    await rows.runOnce(clock.time);
    expect(await stored('one')).toEqual(['b']);
    expect(told).toEqual(['one', 'two']);
  });

  it('writes again what could not be written, as it is by then', async () => {
    storeIsAway = true;
    const gone = stream('three', 'gone');
    open.add(gone);
    open.add(stream('three', 'stays'));
    await expect(rows.runOnce(clock.time)).rejects.toMatchObject({ slug: 'unavailable' });
    storeIsAway = false;
    open.remove(gone);
    await rows.runOnce(clock.time);
    expect(await stored('three')).toEqual(['stays']);
    expect(told).toEqual(['three']);
  });

  it('stores everything again now and then: the rows of a node that was away for long are removed', async () => {
    open.add(stream('four', 'a'));
    await rows.runOnce(clock.time);
    await opened.store.nodes.remove('node-a');
    await renew();
    clock.time += 29_999;
    await rows.runOnce(clock.time);
    expect(await stored('four')).toEqual([]);
    clock.time += 1;
    await rows.runOnce(clock.time);
    expect(await stored('four')).toEqual(['a']);
    expect(told).toEqual(['four']);
  });
});

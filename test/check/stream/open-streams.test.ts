import { OpenStreams } from '../../../src/check/stream/open-streams.js';
import type { Stream } from '../../../src/check/stream/stream.js';
import type { Problem } from '../../../src/message/problem.js';

function stream(producer: string, instance: string, inProcess = false): Stream & { closedWith: number[] } {
  const closedWith: number[] = [];
  return {
    producer,
    instance,
    inProcess,
    closedWith,
    ask: () => Promise.reject(new Error('not asked')),
    close: (code) => void closedWith.push(code),
  };
}

describe('OpenStreams', () => {
  let time: number;
  let open: OpenStreams;
  let heard: string[];

  beforeEach(() => {
    time = 1_000;
    heard = [];
    open = new OpenStreams({ streamsMax: 3, streamsPerProducerMax: 2 }, { now: () => time }, (error) => {
      throw error;
    });
    open.events.on('opened', ({ producer, instance }) => heard.push(`+${producer}/${instance}`));
    open.events.on('closed', ({ producer, instance }) => heard.push(`-${producer}/${instance}`));
  });

  it('tells of the first and the last stream of an instance, and keeps nothing after that', () => {
    const [first, second] = [stream('shop', 'a'), stream('shop', 'a')];
    open.add(first);
    time = 2_000;
    open.add(second);
    expect(open.of({ producer: 'shop', instance: 'a' })).toEqual([second, first]);
    expect([open.count, open.newestOf('shop')]).toEqual([2, 2_000]);
    open.remove(second);
    open.remove(second);
    expect(open.of({ producer: 'shop', instance: 'a' })).toEqual([first]);
    open.remove(first);
    expect(heard).toEqual(['+shop/a', '-shop/a']);
    expect([open.count, open.producers, open.newestOf('shop'), open.keys()]).toEqual([0, 0, undefined, []]);
  });

  it('refuses streams beyond the bounds, of a producer and of the node', () => {
    const slugOf = (producer: string): string => {
      try {
        open.requireRoom(producer);
        return 'room';
      } catch (error) {
        return (error as Problem).slug;
      }
    };
    const first = stream('shop', 'a');
    open.add(first);
    open.add(stream('shop', 'b'));
    expect([slugOf('shop'), slugOf('bank')]).toEqual(['overloaded', 'room']);
    open.add(stream('bank', 'a'));
    expect([slugOf('shop'), slugOf('bank')]).toEqual(['overloaded', 'overloaded']);
    open.remove(first);
    expect([slugOf('shop'), slugOf('bank')]).toEqual(['room', 'room']);
  });

  it('knows which producers are answered for in this process', () => {
    const inProcess = stream('shop', 'here', true);
    open.add(stream('shop', 'there'));
    expect(open.answersInProcess('shop')).toBe(false);
    open.add(inProcess);
    expect(open.answersInProcess('shop')).toBe(true);
    expect(open.instancesOf('shop', 1)).toEqual(['there']);
    expect(open.instancesOf('shop', 9)).toEqual(['there', 'here']);
    open.remove(inProcess);
    expect(open.answersInProcess('shop')).toBe(false);
  });

  it('closes all of them', () => {
    const all = [stream('shop', 'a'), stream('shop', 'b'), stream('bank', 'a')];
    for (const each of all) open.add(each);
    open.closeAll(1001, 'stopping');
    expect(all.map(({ closedWith }) => closedWith)).toEqual([[1001], [1001], [1001]]);
  });
});

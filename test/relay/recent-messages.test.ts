import type { StoredMessage } from '../../src/message/message.js';
import { MessageReader } from '../../src/relay/message-reader.js';
import { RecentMessages } from '../../src/relay/recent-messages.js';

const bytesOfOne = 512 + 2 * 100;
const message = (id: string, length = 100): StoredMessage => ({
  id,
  topic: 'orders',
  storedAt: 0,
  body: { json: 'x'.repeat(length) },
});

describe('messages in memory', () => {
  let now = 0;
  const clock = { now: () => now };
  const recentOf = (count: number) =>
    new RecentMessages({ recentBytesMax: bytesOfOne * count, recentMs: 1_000 }, clock);

  beforeEach(() => {
    now = 0;
  });

  it('stay within the bound of bytes, the newest ones and half of the bound at least', () => {
    const recent = recentOf(40);
    for (let index = 0; index < 100; index += 1) recent.remember([message(`m${index}`)]);
    const kept = Array.from({ length: 100 }, (_, index) => recent.get(`m${index}`)).filter(Boolean);
    expect(kept.length).toBeLessThanOrEqual(40);
    expect(kept.slice(-20).map((one) => one!.id)).toEqual(Array.from({ length: 20 }, (_, index) => `m${80 + index}`));
  });

  it('go with their age', () => {
    const recent = recentOf(40);
    recent.remember([message('early')]);
    now = 600;
    recent.remember([message('later')]);
    expect(recent.get('early')).toBeDefined();
    now = 1_200;
    recent.remember([]);
    expect([recent.get('early'), recent.get('later')?.id]).toEqual([undefined, 'later']);
    now = 3_000;
    recent.remember([]);
    expect(recent.get('later')).toBeUndefined();
  });

  it('one that would take a large part of the bound is not kept', () => {
    const recent = recentOf(40);
    recent.remember([message('large', 5_000), message('small')]);
    expect([recent.get('large'), recent.get('small')?.id]).toEqual([undefined, 'small']);
  });

  it('are let go by the only reader of their topic, and read from the store from then on', async () => {
    const recent = recentOf(40);
    let readers = 2;
    const readMessages = jest.fn((ids: string[]) => Promise.resolve(new Map(ids.map((id) => [id, message(id)]))));
    const reader = new MessageReader(recent, { readMessages }, () => readers);
    recent.remember([message('a'), message('b')]);
    const idsRead = async () => (await reader.read('orders', ['a', 'b'])).map((one) => one?.id);
    expect(await idsRead()).toEqual(['a', 'b']);
    readers = 1;
    expect(await idsRead()).toEqual(['a', 'b']);
    expect(readMessages).not.toHaveBeenCalled();
    expect(await idsRead()).toEqual(['a', 'b']);
    expect(readMessages).toHaveBeenCalledWith(['a', 'b']);
  });
});

import { identify } from '../../src/half/identify.js';
import type { NewMessage } from '../../src/message/message.js';
import type { Topic } from '../../src/store/catalog-store.js';

const topic: Topic = { name: 'orders', shards: 4, retentionMs: 1, bodyBytesMax: 8, createdAt: 0 };
const topics = new Map([['orders', topic]]);
const message = (fields: Partial<NewMessage> = {}): NewMessage => ({ topic: 'orders', body: { json: '1' }, ...fields });

describe('identify', () => {
  it('makes ids that sort by time, keeps given ones, and says which they are', () => {
    const { messages } = identify([message(), message({ id: 'mine' }), message()], topics, 0);
    expect(messages.map(({ idGiven }) => idGiven)).toEqual([false, true, false]);
    expect(messages[1]!.id).toBe('mine');
    expect(messages[0]!.id < messages[2]!.id).toBe(true);
  });

  it('counts a body in bytes of UTF-8 against the topic', () => {
    const fits = message({ body: { json: '"éé12"' } });
    const over = message({ body: { json: '"éé123"' } });
    expect(identify([fits], topics, 0).bytes).toBeGreaterThanOrEqual(8);
    expect(() => identify([fits, over], topics, 0)).toThrow(
      expect.objectContaining({
        slug: 'body-too-large',
        detail: expect.stringContaining('messages.1: 9 bytes') as string,
      }),
    );
  });

  it('refuses an id that occurs twice and a time more than a year away, naming the field', () => {
    expect(() => identify([message({ id: 'a' }), message({ id: 'a' })], topics, 0)).toThrow(
      expect.objectContaining({ fields: [{ path: 'messages.1.id', reason: 'occurs twice' }] }),
    );
    expect(() => identify([message({ deliverAt: 366 * 86_400_000 })], topics, 0)).toThrow(
      expect.objectContaining({ slug: 'validation-failed' }),
    );
  });
});

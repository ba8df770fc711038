import { isoTime, messageJson, messageText } from '../../src/message/message-json.js';
import type { StoredMessage } from '../../src/message/message.js';

const stored: StoredMessage = {
  id: 'm1',
  topic: 'orders',
  tag: 'new',
  headers: { a: 'b' },
  transactionId: 't1',
  storedAt: Date.UTC(2026, 0, 31, 12),
  body: { json: '{"n":1,"text":"é"}' },
};

describe('messages as JSON', () => {
  it('carries the body as JSON, or its bytes as base64', () => {
    expect(messageJson(stored)).toEqual({
      id: 'm1',
      topic: 'orders',
      tag: 'new',
      headers: { a: 'b' },
      transactionId: 't1',
      bornAt: '2026-01-31T12:00:00.000Z',
      storedAt: '2026-01-31T12:00:00.000Z',
      body: { n: 1, text: 'é' },
    });
    expect(messageJson({ ...stored, body: { bytes: Buffer.from([0, 255]) } })).toMatchObject({ bodyBase64: 'AP8=' });
  });

  it('names shard, offset and attempt of a delivery, and not the delay that is over', () => {
    const delivered = messageJson({ ...stored, delayMs: 5 }, { shard: 2, offset: 7, attempt: 3 });
    expect(delivered).toMatchObject({ shard: 2, offset: 7, attempt: 3 });
    expect(delivered).not.toHaveProperty('delayMs');
    expect(messageJson({ ...stored, delayMs: 5 })).toMatchObject({ delayMs: 5 });
  });

  it.each([{ json: 'null' }, { json: '"a\\"b"' }, { json: '[]' }, { bytes: Buffer.from('x') }])(
    'writes the same as text: %j',
    (body) => {
      const message = { ...stored, body };
      const delivery = { shard: 0, offset: 0, attempt: 1 };
      expect(JSON.parse(messageText(message, delivery))).toEqual(messageJson(message, delivery));
    },
  );

  it('writes times in UTC with milliseconds', () => {
    expect([isoTime(0), isoTime(1), isoTime(1)]).toEqual([
      '1970-01-01T00:00:00.000Z',
      '1970-01-01T00:00:00.001Z',
      '1970-01-01T00:00:00.001Z',
    ]);
  });
});

import type { IdentifiedMessage } from '../../../src/message/message.js';
import type { MessageStore } from '../../../src/store/message-store.js';
import { describeConformance } from '../databases.js';
import {
  append,
  commit,
  endings,
  makeTopic,
  message,
  prepareItem,
  readWholeLog,
  send,
  unique,
  unwritable,
  valueOf,
} from './half-fixture.js';

describeConformance('HalfStore.prepare', (open, kind) => {
  let store: MessageStore;
  let topic: string;

  beforeAll(async () => {
    ({ store } = await open());
    topic = await makeTopic(store);
  });

  it('stores every field of a half message as it was given, and nothing becomes visible', async () => {
    const full: IdentifiedMessage = message(topic, {
      id: unique('m'),
      key: 'Größe \u{1f600} \'"\\',
      tag: 'née',
      orderingKey: 'kunde \\ 7 ',
      headers: { traceparent: '00-ab', 'x ä': "it's \\ ? ; --" },
      delayMs: 5_000,
      contentType: 'application/vnd.order+json; v="1"',
      body: { json: '{"text":"a\\"b\\\\c\\u0000 \' ? ; ü \u{1f600}"}' },
    });
    const bytes = message(topic, { deliverAt: 99_999, body: { bytes: Buffer.from([0, 255, 39, 92, 63, 10, 26]) } });
    const empty = message(topic, { headers: {}, body: { bytes: Buffer.alloc(0) } });
    const item = prepareItem([full, bytes, empty], { firstCheckAfterMs: 6_000 });
    const [outcome] = await store.half.prepare([item], 1_000);
    expect(valueOf(outcome)).toEqual({
      id: item.transactionId,
      state: 'prepared',
      firstCheckAt: 7_000,
      messages: [full, bytes, empty].map(({ id }) => ({ id, topic })),
      repeated: false,
    });
    const view = await store.lookup.getTransaction(item.transactionId, true);
    expect(view).toMatchObject({ state: 'prepared', preparedAt: 1_000, firstCheckAt: 7_000, nextCheckAt: 7_000 });
    const { transactionId } = item;
    const stored = view!.messages.map((found) => found.stored);
    for (const [index, given] of [full, bytes, empty].entries()) {
      const { idGiven: _, ...content } = given;
      expect(stored[index]).toEqual({ ...content, transactionId, storedAt: 1_000 });
    }
    expect(await readWholeLog(store, topic)).toEqual([]);
  });

  it('keeps the instance that prepared, and answers a repeat by another one as a repeat', async () => {
    const item = prepareItem([message(topic, { id: unique('m') })], { instance: 'pod-1' });
    await store.half.prepare([item], 1_000);
    const [again] = await store.half.prepare([{ ...item, instance: 'pod-2' }], 2_000);
    expect(valueOf(again).repeated).toBe(true);
    expect(await store.lookup.getTransaction(item.transactionId, false)).toMatchObject({ instance: 'pod-1' });
    expect(await store.checks.claimOne(item.transactionId, 3_000, 1_000)).toMatchObject({ instance: 'pod-1' });
    const without = prepareItem([message(topic)]);
    await store.half.prepare([without], 1_000);
    expect(await store.lookup.getTransaction(without.transactionId, false)).not.toHaveProperty('instance');
  });

  it('answers a repeat with the ids given then and the present state', async () => {
    const item = prepareItem([message(topic, { headers: { a: '1', b: '2' }, body: { json: '{"a":1,"b":[2]}' } })]);
    await store.half.prepare([item], 1_000);
    await append(store, [commit(item.transactionId)]);
    const again = {
      ...item,
      messages: [message(topic, { headers: { b: '2', a: '1' }, body: { json: '{ "b": [2], "a": 1.0 }' } })],
    };
    const [outcome] = await store.half.prepare([again], 5_000);
    expect(valueOf(outcome)).toEqual({
      id: item.transactionId,
      state: 'committed',
      firstCheckAt: 7_000,
      messages: [{ id: item.messages[0]!.id, topic }],
      repeated: true,
    });
  });

  it.each<[string, (given: IdentifiedMessage) => Partial<IdentifiedMessage>]>([
    ['topic', () => ({ topic: 'another' })],
    ['key', () => ({ key: 'K' })],
    ['tag', () => ({ tag: undefined as never })],
    ['ordering key', () => ({ orderingKey: 'o ' })],
    ['headers', () => ({ headers: { h: '2' } })],
    ['delay', () => ({ delayMs: 6 })],
    ['delivery time', () => ({ delayMs: undefined as never, deliverAt: 9_000 })],
    ['content type', () => ({ contentType: 'text/plain' })],
    ['body', () => ({ body: { json: '{"order":2}' } })],
    ['kind of body', ({ body }) => ({ body: { bytes: Buffer.from(body.json!) } })],
    ['id, where it is given', () => ({ id: unique('m'), idGiven: true })],
  ])('refuses the id again with another %s', async (_name, change) => {
    const given = message(topic, {
      key: 'k',
      tag: 't',
      orderingKey: 'o',
      headers: { h: '1' },
      delayMs: 5,
      contentType: 'text/json',
    });
    const item = prepareItem([given]);
    await store.half.prepare([item], 1_000);
    const changed = { ...item, messages: [{ ...given, ...change(given) }] };
    expect(endings(await store.half.prepare([changed], 1_000))).toEqual(['id-reused']);
    expect(endings(await store.half.prepare([{ ...item, producer: 'other' }], 1_000))).toEqual(['id-reused']);
    const longer = { ...item, messages: [given, message(topic)] };
    expect(endings(await store.half.prepare([longer], 1_000))).toEqual(['id-reused']);
    expect(endings(await store.half.prepare([item], 1_000))).toEqual(['repeated']);
  });

  it('answers an id that occurs twice in one batch as the repeat of the first', async () => {
    const item = prepareItem([message(topic)]);
    const other = { ...item, messages: [message(topic, { body: { json: '3' } })] };
    const outcomes = await store.half.prepare([prepareItem([message(topic)]), item, item, other], 1_000);
    expect(endings(outcomes)).toEqual(['ok', 'ok', 'repeated', 'id-reused']);
    expect(outcomes[2]!.value!.messages).toEqual(outcomes[1]!.value!.messages);
  });

  it('refuses a message id that another transaction or a send has, for that item alone', async () => {
    const used = message(topic, { id: unique('m') });
    await store.half.prepare([prepareItem([used])], 1_000);
    const sent = message(topic, { id: unique('m') });
    await append(store, [send(sent)]);
    const inBatch = message(topic, { id: unique('m') });
    const items = [
      prepareItem([message(topic)]),
      prepareItem([message(topic), used]),
      prepareItem([sent]),
      prepareItem([inBatch]),
      prepareItem([inBatch]),
      prepareItem([message(topic)]),
    ];
    expect(endings(await store.half.prepare(items, 1_000))).toEqual([
      'ok',
      'id-reused',
      'id-reused',
      'ok',
      'id-reused',
      'ok',
    ]);
    for (const index of [1, 2, 4]) {
      expect(await store.lookup.getTransaction(items[index]!.transactionId, false)).toBeNull();
      const first = items[index]!.messages[0]!;
      if (index === 1) expect(await store.lookup.getMessage(first.id)).toBeNull();
    }
  });

  it('compares ids byte by byte', async () => {
    const id = unique('id');
    const ids = [`${id}A`, `${id}a`, `${id}.`, `${id}_`];
    const items = ids.map((transactionId) => prepareItem([message(topic, { id: transactionId })], { transactionId }));
    expect(endings(await store.half.prepare(items, 1_000))).toEqual(['ok', 'ok', 'ok', 'ok']);
    for (const given of ids) expect((await store.lookup.getTransaction(given, false))!.id).toBe(given);
  });

  it.each(['first', 'middle', 'last'])('fails a refused item in the %s place alone', async (place) => {
    const used = message(topic, { id: unique('m') });
    await store.half.prepare([prepareItem([used])], 1_000);
    const items = Array.from({ length: 9 }, () => prepareItem([message(topic)]));
    const index = { first: 0, middle: 4, last: 8 }[place]!;
    items[index] = prepareItem([used]);
    const outcomes = await store.half.prepare(items, 1_000);
    expect(endings(outcomes)).toEqual(items.map((_, at) => (at === index ? 'id-reused' : 'ok')));
  });

  it.each(['first', 'middle', 'last'])('fails an item that cannot be written in the %s place alone', async (place) => {
    const items = Array.from({ length: 5 }, () => prepareItem([message(topic)]));
    const index = { first: 0, middle: 2, last: 4 }[place]!;
    items[index] = prepareItem([message(topic), message(topic, unwritable(kind))]);
    const outcomes = await store.half.prepare(items, 1_000);
    expect(endings(outcomes)).toEqual(items.map((_, at) => (at === index ? 'internal' : 'ok')));
    expect(await store.lookup.getTransaction(items[index].transactionId, false)).toBeNull();
  });

  it('takes a batch with more rows and bytes than one statement holds', async () => {
    const body = { json: JSON.stringify('x'.repeat(40_000)) };
    const items = Array.from({ length: 30 }, () =>
      prepareItem(Array.from({ length: 100 }, (_, index) => message(topic, index < 5 ? { body } : {}))),
    );
    const outcomes = await store.half.prepare(items, 1_000);
    expect(new Set(endings(outcomes))).toEqual(new Set(['ok']));
    const view = await store.lookup.getTransaction(items[29]!.transactionId, true);
    expect(view!.messages.map(({ stored }) => stored!.body)).toEqual(items[29]!.messages.map((given) => given.body));
  });

  it('does nothing for an empty batch', async () => {
    expect(await store.half.prepare([], 1_000)).toEqual([]);
  });
});

import { RunningBroker } from './running-broker.js';

type Row = [name: string, method: string, path: string, body: unknown, errors: { path: string; reason?: string }[]];

const message = (fields: object) => ({ topic: 'orders', body: 1, ...fields });
const prepare = (fields: object) => ({ producer: 'shop', messages: [message({})], ...fields });
const pull = (fields: object) => ({ mode: 'pull', ...fields });

const send = (name: string, fields: object, path: string, reason?: string): Row => [
  `message: ${name}`,
  'POST',
  '/v1/messages',
  message(fields),
  [{ path, ...(reason && { reason }) }],
];
const subscription = (name: string, fields: object, path: string, reason?: string): Row => [
  `subscription: ${name}`,
  'PUT',
  '/v1/subscriptions/orders/g',
  pull(fields),
  [{ path, ...(reason && { reason }) }],
];
const posted = (name: string, path: string, body: unknown, at: string, reason?: string): Row => [
  name,
  'POST',
  path,
  body,
  [{ path: at, ...(reason && { reason }) }],
];
const nackOf = (fields: object) => ({ receipts: ['a'], ...fields });
const got = (path: string, at: string, reason?: string): Row => [
  `GET ${path}`,
  'GET',
  path,
  undefined,
  [{ path: at, ...(reason && { reason }) }],
];

const headersOf = (count: number, value = '') =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`h${index}`, value]));

const messageRows: Row[] = [
  send('unknown field', { colour: 1 }, 'colour', 'unknown field'),
  send('no body', { body: undefined }, 'body', 'give exactly one of body and bodyBase64'),
  send('two bodies', { bodyBase64: 'AA==' }, 'body', 'give exactly one of body and bodyBase64'),
  send('base64 without padding', { body: undefined, bodyBase64: 'AA' }, 'bodyBase64', 'expected base64 with padding'),
  send('base64 of nothing else', { body: undefined, bodyBase64: '!!!!' }, 'bodyBase64'),
  send('no topic', { topic: undefined }, 'topic', 'is missing'),
  send('a topic with a space', { topic: 'a b' }, 'topic'),
  send('a topic too long', { topic: 'a'.repeat(128) }, 'topic'),
  send('an id with a slash', { id: 'a/b' }, 'id'),
  send('an id too long', { id: 'a'.repeat(65) }, 'id'),
  send('an empty id', { id: '' }, 'id'),
  send('a null id', { id: null }, 'id', 'expected string, got null'),
  send('an empty key', { key: '' }, 'key'),
  send('a key too long', { key: 'é'.repeat(129) }, 'key'),
  send('an ordering key too long', { orderingKey: 'a'.repeat(129) }, 'orderingKey'),
  send('a key of a lone surrogate', { key: '\ud800' }, 'key'),
  send('a tag with a bar', { tag: 'a|b' }, 'tag'),
  send('a tag with a star', { tag: '*' }, 'tag'),
  send('a tag with white space', { tag: 'a\tb' }, 'tag'),
  send('a tag too long', { tag: 'a'.repeat(65) }, 'tag'),
  send('headers that are a list', { headers: ['a'] }, 'headers'),
  send('a header that is a number', { headers: { a: 1 } }, 'headers.a'),
  send('a header without a name', { headers: { '': 'a' } }, 'headers.'),
  send('65 headers', { headers: headersOf(65) }, 'headers', 'more than 64 headers'),
  send('headers of more than 16 KiB', { headers: headersOf(2, 'a'.repeat(8_191)) }, 'headers'),
  send('a negative delay', { delayMs: -1 }, 'delayMs'),
  send('a delay of more than a year', { delayMs: 365 * 86_400_000 + 1 }, 'delayMs'),
  send('a delay that is a fraction', { delayMs: 1.5 }, 'delayMs'),
  send('a delay that is text', { delayMs: '1' }, 'delayMs'),
  send('a time that is none', { deliverAt: 'tomorrow' }, 'deliverAt'),
  send('a time without a zone', { deliverAt: '2026-01-01T00:00:00' }, 'deliverAt'),
  send('delay and time', { delayMs: 1, deliverAt: '2026-01-01T00:00:00Z' }, 'deliverAt'),
  send('a content type over two lines', { contentType: 'a\r\nb' }, 'contentType'),
  posted('no messages', '/v1/messages', { messages: [] }, 'messages'),
  posted('1001 messages', '/v1/messages', { messages: Array(1_001).fill(message({})) }, 'messages'),
  posted(
    'a bad one among messages',
    '/v1/messages',
    { messages: [message({}), message({ id: '?' })] },
    'messages.1.id',
  ),
  posted(
    'the same id twice',
    '/v1/messages',
    { messages: [message({ id: 'a' }), message({ id: 'a' })] },
    'messages.1.id',
  ),
  posted('messages beside a topic', '/v1/messages', { messages: [message({})], topic: 'a' }, 'topic', 'unknown field'),
  posted('a list', '/v1/messages', [], ''),
  posted('text', '/v1/messages', 'text', ''),
  posted('null', '/v1/messages', null, ''),
];

const transactionRows: Row[] = [
  posted('prepare: unknown field', '/v1/transactions', prepare({ a: 1 }), 'a', 'unknown field'),
  posted('prepare: no producer', '/v1/transactions', prepare({ producer: undefined }), 'producer', 'is missing'),
  posted('prepare: a producer with a dot', '/v1/transactions', prepare({ producer: 'a.b' }), 'producer'),
  posted('prepare: no messages', '/v1/transactions', prepare({ messages: [] }), 'messages'),
  posted('prepare: 101 messages', '/v1/transactions', prepare({ messages: Array(101).fill(message({})) }), 'messages'),
  posted('prepare: first check too early', '/v1/transactions', prepare({ firstCheckAfterMs: 99 }), 'firstCheckAfterMs'),
  posted(
    'prepare: first check too late',
    '/v1/transactions',
    prepare({ firstCheckAfterMs: 86_400_001 }),
    'firstCheckAfterMs',
  ),
  posted('prepare: in a message', '/v1/transactions', prepare({ messages: [{ topic: 'a' }] }), 'messages.0.body'),
  posted('commit: unknown field', '/v1/transactions/a/commit', { why: 1 }, 'why'),
  posted('commit: by nobody', '/v1/transactions/a/commit', { by: 'me', reason: 'x' }, 'by'),
  posted('commit: an operator without a reason', '/v1/transactions/a/commit', { by: 'operator' }, 'reason'),
  posted('rollback: a reason without an operator', '/v1/transactions/a/rollback', { reason: 'x' }, 'by'),
  posted('commit: null', '/v1/transactions/a/commit', null, ''),
  posted('commit: id', '/v1/transactions/a%20b/commit', {}, 'id'),
  posted('check: a field', '/v1/transactions/a/check', { a: 1 }, 'a'),
  posted('batch: unknown list', '/v1/transactions/batch', { check: [] }, 'check'),
  posted('batch: no list', '/v1/transactions/batch', { commit: 'a' }, 'commit'),
  posted('batch: too many', '/v1/transactions/batch', { commit: Array(1_001).fill('a') }, ''),
  got('/v1/transactions?state=done', 'state'),
  got('/v1/transactions?limit=0', 'limit', 'expected a whole number from 1 to 500'),
  got('/v1/transactions?limit=501', 'limit'),
  got('/v1/transactions?limit=1e2', 'limit'),
  got('/v1/transactions?limit=1&limit=2', 'limit'),
  got('/v1/transactions?colour=red', 'colour', 'unknown field'),
  got('/v1/transactions/a?bodies=yes', 'bodies'),
  got('/v1/messages?topic=a', 'key', 'is missing'),
  got('/v1/messages?key=a', 'topic', 'is missing'),
  got('/v1/messages?topic=a&key=b&from=now', 'from'),
];

const consumingRows: Row[] = [
  posted('receive: max 0', '/v1/subscriptions/a/b/receive', { max: 0 }, 'max'),
  posted('receive: max 257', '/v1/subscriptions/a/b/receive', { max: 257 }, 'max'),
  posted('receive: visibility', '/v1/subscriptions/a/b/receive', { visibilityMs: 999 }, 'visibilityMs'),
  posted('receive: long visibility', '/v1/subscriptions/a/b/receive', { visibilityMs: 43_200_001 }, 'visibilityMs'),
  posted('receive: wait', '/v1/subscriptions/a/b/receive', { waitMs: 30_001 }, 'waitMs'),
  posted('receive: unknown field', '/v1/subscriptions/a/b/receive', { wait: 1 }, 'wait'),
  posted('receive: group', '/v1/subscriptions/a/b.c/receive', {}, 'group'),
  posted('ack: none', '/v1/subscriptions/a/b/ack', { receipts: [] }, 'receipts'),
  posted('ack: missing', '/v1/subscriptions/a/b/ack', {}, 'receipts', 'is missing'),
  posted('ack: 257', '/v1/subscriptions/a/b/ack', { receipts: Array(257).fill('a') }, 'receipts'),
  posted('ack: a delay', '/v1/subscriptions/a/b/ack', { receipts: ['a'], delayMs: 1 }, 'delayMs'),
  posted('nack: delay', '/v1/subscriptions/a/b/nack', { receipts: ['a'], delayMs: -1 }, 'delayMs'),
  posted('nack: dead letter', '/v1/subscriptions/a/b/nack', nackOf({ deadLetter: true, delayMs: 1 }), 'deadLetter'),
  posted('nack: release', '/v1/subscriptions/a/b/nack', nackOf({ release: true, error: 'no' }), 'release'),
  posted(
    'nack: release of a dead letter',
    '/v1/subscriptions/a/b/nack',
    nackOf({ release: true, deadLetter: true }),
    'release',
  ),
  posted('nack: error', '/v1/subscriptions/a/b/nack', { receipts: ['a'], error: 'a'.repeat(1_001) }, 'error'),
  posted('extend: visibility', '/v1/subscriptions/a/b/extend', { receipts: ['a'], visibilityMs: 1 }, 'visibilityMs'),
  posted('seek: nowhere', '/v1/subscriptions/a/b/seek', { to: 'start' }, 'to'),
  posted('seek: missing', '/v1/subscriptions/a/b/seek', {}, 'to'),
  posted('pause: a field', '/v1/subscriptions/a/b/pause', { a: 1 }, 'a'),
];

const catalogRows: Row[] = [
  subscription('no mode', { mode: undefined }, 'mode'),
  subscription('an unknown mode', { mode: 'poll' }, 'mode'),
  subscription('an empty filter', { filter: '' }, 'filter'),
  subscription('a filter with a gap', { filter: 'a||' }, 'filter'),
  subscription('a filter of everything and a tag', { filter: '*||a' }, 'filter'),
  subscription('a filter of too many tags', { filter: Array(65).fill('a').join('||') }, 'filter'),
  subscription('a start that is none', { startFrom: 'now' }, 'startFrom'),
  subscription('no attempts', { maxAttempts: 0 }, 'maxAttempts'),
  subscription('101 attempts', { maxAttempts: 101 }, 'maxAttempts'),
  subscription('two kinds of retry', { retry: { fixedMs: 1, levelsMs: [1] } }, 'retry'),
  subscription('no kind of retry', { retry: {} }, 'retry'),
  subscription('65 levels', { retry: { levelsMs: Array(65).fill(1) } }, 'retry.levelsMs'),
  subscription('no level', { retry: { levelsMs: [] } }, 'retry.levelsMs'),
  subscription('a level of more than a day', { retry: { levelsMs: [86_400_001] } }, 'retry.levelsMs.0'),
  subscription('growth without a factor', { retry: { initialMs: 1, maxMs: 1 } }, 'retry.factor', 'is missing'),
  subscription('a jitter above 1', { retry: { initialMs: 1, factor: 2, maxMs: 1, jitter: 1.1 } }, 'retry.jitter'),
  subscription('a factor of a fixed wait', { retry: { fixedMs: 1, factor: 2 } }, 'retry.factor'),
  subscription('a push of a pull', { push: { url: 'http://a' } }, 'push'),
  subscription('a push without a target', { mode: 'push' }, 'push', 'is missing'),
  subscription('a push to no URL', { mode: 'push', push: { url: 'example.org' } }, 'push.url'),
  subscription('a push by FTP', { mode: 'push', push: { url: 'ftp://example.org' } }, 'push.url'),
  subscription('a push with credentials', { mode: 'push', push: { url: 'http://a:b@example.org' } }, 'push.url'),
  subscription('a push without time', { mode: 'push', push: { url: 'http://a', timeoutMs: 1 } }, 'push.timeoutMs'),
  subscription('a forward without a topic', { mode: 'forward', forward: {} }, 'forward.topic'),
  subscription('a forward of a pull', { forward: { topic: 'a' } }, 'forward'),
  subscription('nothing in flight', { maxInFlight: 0 }, 'maxInFlight'),
  subscription('no rate', { ratePerSecond: 0 }, 'ratePerSecond'),
  subscription('no message in a job', { mode: 'queue', messagesPerJob: 0 }, 'messagesPerJob'),
  subscription('257 messages in a job', { mode: 'queue', messagesPerJob: 257 }, 'messagesPerJob'),
  subscription('half a message', { mode: 'queue', messagesPerJob: 1.5 }, 'messagesPerJob'),
  subscription('jobs of a pull', { messagesPerJob: 1 }, 'messagesPerJob', 'is for mode queue only'),
  subscription('an unknown end', { onDeadLetter: 'stop' }, 'onDeadLetter'),
  subscription('idle too soon', { expiresAfterIdleMs: 1 }, 'expiresAfterIdleMs'),
  ['a topic name', 'PUT', '/v1/topics/a%20b', {}, [{ path: 'topic' }]],
  ['shards', 'PUT', '/v1/topics/a', { shards: 0 }, [{ path: 'shards' }]],
  [
    'several fields',
    'PUT',
    '/v1/topics/a',
    { shards: 257, retentionMs: 'a', b: 1 },
    [{ path: 'shards' }, { path: 'retentionMs' }, { path: 'b' }],
  ],
  ['body bytes', 'PUT', '/v1/topics/a', { maxBodyBytes: 16 * 1024 * 1024 + 1 }, [{ path: 'maxBodyBytes' }]],
  ['force', 'DELETE', '/v1/topics/a?force=1', undefined, [{ path: 'force' }]],
  [
    'check-back type',
    'PUT',
    '/v1/producers/a',
    { checkBack: { type: 'smtp', url: 'http://a' } },
    [{ path: 'checkBack.type' }],
  ],
  ['check-back URL', 'PUT', '/v1/producers/a', { checkBack: { type: 'http', url: 'a' } }, [{ path: 'checkBack.url' }]],
  ['checks', 'PUT', '/v1/producers/a', { checkMax: 101 }, [{ path: 'checkMax' }]],
  ['interval', 'PUT', '/v1/producers/a', { checkIntervalMs: 99 }, [{ path: 'checkIntervalMs' }]],
  posted('redrive: nothing', '/v1/dead-letters/redrive', {}, 'ids'),
  posted('redrive: no group', '/v1/dead-letters/redrive', { topic: 'a' }, 'group'),
  posted('redrive: no topic', '/v1/dead-letters/redrive', { group: 'a' }, 'topic'),
  posted('discard: both', '/v1/dead-letters/discard', { ids: ['a'], topic: 'a' }, 'ids'),
  posted('discard: 501', '/v1/dead-letters/discard', { ids: Array(501).fill('a') }, 'ids'),
  posted('discard: no body', '/v1/dead-letters/discard', undefined, '', 'a JSON body is missing'),
  got('/v1/dead-letters?id=a', 'id', 'unknown field'),
  ...['topics', 'producers', 'dead-letters', 'subscriptions', 'transactions'].map((list) =>
    got(`/v1/${list}?after=%C3%A9`, 'after', 'expected the `next` of a page'),
  ),
  got('/v1/nodes?a=1', 'a', 'unknown field'),
];

describe('bad input is 400 with the path and the reason of each field', () => {
  let broker: RunningBroker;

  beforeAll(async () => {
    broker = await RunningBroker.start();
  });

  afterAll(() => broker.stop());

  it.each([...messageRows, ...transactionRows, ...consumingRows, ...catalogRows])(
    '%s',
    async (_name, method, path, body, errors) => {
      const answer = await broker.call(method, path, body);
      expect(answer.status).toBe(400);
      expect(answer.body.type).toBe('urn:halfbox:problem:validation-failed');
      expect(answer.body.errors).toEqual(
        errors.map(({ path: at, reason }) => ({ path: at, reason: reason ?? expect.stringMatching(/./) })),
      );
    },
  );

  it('bounds themselves are taken', async () => {
    const largest = {
      id: 'a'.repeat(64),
      topic: 'a'.repeat(127),
      key: '😀'.repeat(128),
      orderingKey: 'é'.repeat(128),
      tag: 'a'.repeat(64),
      headers: headersOf(64, 'a'.repeat(250)),
      contentType: 'a'.repeat(255),
      delayMs: 365 * 86_400_000,
      body: null,
    };
    expect((await broker.post('/v1/messages', largest)).status).toBe(201);
    const messages = Array.from({ length: 100 }, () => message({}));
    expect((await broker.post('/v1/transactions', prepare({ messages, firstCheckAfterMs: 86_400_000 }))).status).toBe(
      201,
    );
    const settings = pull({ maxAttempts: 100, retry: { levelsMs: Array(64).fill(86_400_000) } });
    expect((await broker.put('/v1/subscriptions/orders/largest', settings)).status).toBe(200);
    const receive = { max: 256, visibilityMs: 43_200_000 };
    expect((await broker.post('/v1/subscriptions/orders/largest/receive', receive)).status).toBe(200);
  });
});

describe('targets on private addresses', () => {
  it('are refused where they are not allowed', async () => {
    const broker = await RunningBroker.start({ allowPrivateTargets: false });
    for (const url of [
      'http://127.0.0.1/',
      'http://localhost:1/',
      'http://10.0.0.1/',
      'http://[::1]/',
      'http://2130706433/',
    ]) {
      const producer = await broker.put('/v1/producers/a', { checkBack: { type: 'http', url } });
      expect([producer.status, producer.body.errors[0].path]).toEqual([400, 'checkBack.url']);
      const pushed = await broker.put('/v1/subscriptions/a/g', { mode: 'push', push: { url } });
      expect([pushed.body.type, pushed.body.errors[0].path]).toEqual([
        'urn:halfbox:problem:target-not-allowed',
        'push.url',
      ]);
    }
    await broker.stop();
  });
});

describe('without auto-creation', () => {
  it('an unknown topic or producer is 404', async () => {
    const broker = await RunningBroker.start({ autoCreate: false });
    const typeOf = async (method: string, path: string, body: unknown) =>
      (await broker.call(method, path, body)).body.type;
    expect(await typeOf('POST', '/v1/messages', message({}))).toBe('urn:halfbox:problem:topic-not-found');
    await broker.put('/v1/topics/orders', {});
    expect(await typeOf('POST', '/v1/transactions', prepare({}))).toBe('urn:halfbox:problem:producer-not-found');
    expect(await typeOf('PUT', '/v1/subscriptions/other/g', pull({}))).toBe('urn:halfbox:problem:topic-not-found');
    const forward = { mode: 'forward', forward: { topic: 'other' } };
    expect(await typeOf('PUT', '/v1/subscriptions/orders/g', forward)).toBe('urn:halfbox:problem:topic-not-found');
    await broker.put('/v1/producers/shop', {});
    expect((await broker.post('/v1/transactions', prepare({}))).status).toBe(201);
    await broker.stop();
  });
});

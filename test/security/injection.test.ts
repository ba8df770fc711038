import crypto from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { shortened } from '../../src/check/stream/client-message.js';
import { answerHttp } from '../../src/client/index.js';
import { newSecret, signedHeaders } from '../../src/callback/signer.js';
import { ApiKeys } from '../../src/config/api-keys.js';
import * as names from '../../src/message/names.js';
import { openTestStore, storeServers } from '../store/databases.js';
import { RunningBroker } from '../api/running-broker.js';
import { until } from '../queue/until.js';

const statements = [
  "' OR '1'='1",
  "'; DROP TABLE halfbox_message; -- ",
  "\\'; DELETE FROM halfbox_message; -- ",
  '" UNION SELECT * FROM halfbox_producer -- ',
  "\0'",
  '\u00bf\u0027',
  '`; SELECT 1; #',
  '?',
  '%',
  '_',
  'a\r\nb',
];

describe.each(storeServers)('texts that would be statements, on $name', (server) => {
  it('are kept and found as they are, and do nothing', async () => {
    const place = await server.provide();
    const broker = await RunningBroker.start({ storeUrl: place.url });
    await broker.put('/v1/subscriptions/orders/all', { mode: 'pull' });
    const sent = statements.map((text, index) => ({
      id: `m${index}`,
      topic: 'orders',
      key: text,
      orderingKey: text,
      headers: { [`h${text}`]: text },
      body: { [text]: text },
    }));
    expect((await broker.post('/v1/messages', { messages: sent })).status).toBe(201);
    for (const message of sent) {
      const found = await broker.get(`/v1/messages?topic=orders&key=${encodeURIComponent(message.key)}`);
      expect(found.body.items.map(({ id }: { id: string }) => id)).toEqual([message.id]);
      expect(found.body.items[0]).toMatchObject(message);
      expect((await broker.get(`/v1/topics?after=${encodeURIComponent(message.key)}`)).status).toBeLessThan(500);
    }
    const received = await broker.post('/v1/subscriptions/orders/all/receive', { max: 100, waitMs: 20_000 });
    const error = statements.join(' ');
    const receipts = received.body.deliveries.map(({ receipt }: { receipt: string }) => receipt) as string[];
    await broker.post('/v1/subscriptions/orders/all/nack', { receipts, error, deadLetter: true });
    const letters = await until('dead letters', async () => {
      const { body } = await broker.get('/v1/dead-letters');
      return body.items.length === receipts.length ? (body.items as { error: string }[]) : undefined;
    });
    expect(new Set(letters.map((letter) => letter.error))).toEqual(new Set([error]));
    await broker.stop();
    await place.remove();
  });

  it('are no names', async () => {
    const { store, close } = await openTestStore(server);
    for (const pattern of [names.idPattern, names.topicPattern, names.groupPattern]) {
      expect(statements.filter((text) => text !== '_' && pattern.test(text))).toEqual([]);
    }
    // Below the contract, too: the store itself takes them for what they are.
    const ascii = statements.filter((text) => !text.includes('\u00bf'));
    for (const text of ascii) expect(await store.lookup.getTransaction(text, true)).toBeNull();
    await close();
  });
});

describe('names that are steps of a path', () => {
  it('are refused: no HTTP client would ever ask for what bears one', async () => {
    const broker = await RunningBroker.start();
    for (const name of ['.', '..']) {
      for (const message of [
        { topic: name, body: 1 },
        { topic: 'orders', id: name, body: 1 },
      ]) {
        expect([message, (await broker.post('/v1/messages', message)).status]).toEqual([message, 400]);
      }
      const prepare = { id: name, producer: 'shop', messages: [{ topic: 'orders', body: 1 }] };
      expect((await broker.post('/v1/transactions', prepare)).status).toBe(400);
    }
    for (const name of ['...', '.a', 'a..b']) {
      expect((await broker.post('/v1/messages', { topic: name, id: name, body: 1 })).status).toBe(201);
      expect((await broker.get(`/v1/messages/${name}`)).body.topic).toBe(name);
    }
    await broker.stop();
  });
});

describe('headers that are made of what others said', () => {
  it('have no line breaks: neither those of a push, nor those of a refusal', async () => {
    const got: string[][] = [];
    const target = createServer((request, response) => {
      got.push(request.rawHeaders);
      response.end();
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => target.once('listening', resolve));
    const url = `http://127.0.0.1:${(target.address() as AddressInfo).port}/`;
    const broker = await RunningBroker.start();
    await broker.put('/v1/subscriptions/orders/pushed', { mode: 'push', push: { url } });
    const hostile = 'a\r\nhalfbox-topic: other\r\n\r\nGET / HTTP/1.1';
    const message = {
      topic: 'orders',
      key: hostile,
      orderingKey: hostile,
      headers: { [hostile]: hostile },
      body: hostile,
    };
    await broker.post('/v1/messages', message);
    await until('push', () => got.length > 0);
    expect(
      got[0]!
        .filter((_text, index) => index % 2 === 0)
        .map((name) => name.toLowerCase())
        .sort(),
    ).toEqual([...new Set(got[0]!.filter((_text, index) => index % 2 === 0).map((name) => name.toLowerCase()))].sort());
    expect(got[0]!.join('\n')).not.toContain('other');
    for (const [method, path] of [
      ['GET', `/v1/topics/${encodeURIComponent(hostile)}`],
      ['GET', `/${encodeURIComponent(hostile)}`],
      ['GET', `/v1/topics?${encodeURIComponent(hostile)}=1`],
    ] as const) {
      const refused = await broker.raw(method, path);
      expect([refused.status >= 400, refused.headers.get('halfbox-topic')]).toEqual([true, null]);
    }
    await broker.stop();
    await new Promise((resolve) => target.close(resolve));
  });

  it('show words of others short and on one line', () => {
    expect(shortened(`x\r\ny\0${'z'.repeat(1_000)}\ud800`)).toMatch(/^x {2}y z{195}$/);
  });
});

describe('signatures', () => {
  const secret = newSecret();
  const body = '{"question":1}';
  const asked: unknown[] = [];
  const answerer = { answer: async (question: unknown) => (asked.push(question), 'commit' as const) };
  const status = async (headers: Record<string, string>, text = body) =>
    (await answerHttp({ headers, body: text }, { secret, answerer })).status;
  const now = () => Date.now();

  it('are of the body, the id and the time, and of nobody else', async () => {
    const good = signedHeaders({ current: secret }, 'check', body, now());
    expect(await status(good)).toBe(200);
    expect(asked).toHaveLength(1);
    expect(await status(good, '{"question":2}')).toBe(401);
    expect(await status({ ...good, 'webhook-id': 'other' })).toBe(401);
    expect(await status({ ...good, 'webhook-timestamp': String(Number(good['webhook-timestamp']) + 1) })).toBe(401);
    expect(await status(signedHeaders({ current: newSecret() }, 'check', body, now()))).toBe(401);
    for (const signature of [
      '',
      'v1,',
      'v1',
      'v1a,AAAA',
      good['webhook-signature']!.slice(0, -3),
      'v1,' + 'A'.repeat(5_000),
    ]) {
      expect([signature, await status({ ...good, 'webhook-signature': signature })]).toEqual([signature, 401]);
    }
    expect(asked).toHaveLength(1);
  });

  it('are refused when they are older, or newer, than five minutes: a copy is worth nothing for long', async () => {
    for (const offMs of [-301_000, 302_000]) {
      expect(await status(signedHeaders({ current: secret }, 'check', body, now() + offMs))).toBe(401);
    }
    for (const time of ['', 'now', 'NaN', 'Infinity', '1e99', '-1', '0x10']) {
      expect(
        await status({ ...signedHeaders({ current: secret }, 'check', body, now()), 'webhook-timestamp': time }),
      ).toBe(401);
    }
    // As receivers that use the library of Standard Webhooks do.
    const old = signedHeaders({ current: secret }, 'check', body, now() - 301_000);
    expect(() => new Webhook(secret).verify(body, old)).toThrow('Message timestamp too old');
  });
});

describe('keys', () => {
  it('are compared as digests of one length, all of them, whichever fits', () => {
    const compared = jest.spyOn(crypto, 'timingSafeEqual');
    const keys = ApiKeys.parse('a:first:produce,b:second:consume,c:third:admin');
    for (const given of ['first', 'third', 'fourth', '', 'x'.repeat(100_000)]) {
      compared.mockClear();
      keys.find(given);
      expect(compared.mock.calls.map(([one, other]) => [one.byteLength, other.byteLength])).toEqual(
        Array(3).fill([32, 32]),
      );
    }
    compared.mockRestore();
  });
});

describe('expressions that look at what callers send', () => {
  it('read it in a time that grows as it does', () => {
    const expressions: [string, RegExp, (length: number) => string][] = [
      ['a key of a caller', /^Bearer +(\S.*)$/i, (length) => `Bearer${' '.repeat(length)}`],
      ['an id', names.idPattern, (length) => `${'a'.repeat(length)}!`],
      ['a tag', names.tagPattern, (length) => `${'a'.repeat(length)}|`],
    ];
    for (const [what, expression, make] of expressions) {
      const timeOf = (length: number): number => {
        const text = make(length);
        const started = process.cpuUsage();
        for (let times = 0; times < 20; times += 1) expression.test(text);
        return process.cpuUsage(started).user;
      };
      timeOf(1_000);
      // What grows with the square would take a thousand times as long; linear is 32, and a machine has its moods.
      expect([what, timeOf(64_000) < 300 * Math.max(timeOf(2_000), 500)]).toEqual([what, true]);
    }
  });
});

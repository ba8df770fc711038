import { Webhook } from 'standardwebhooks';
import { CallbackClient } from '../../src/callback/callback-client.js';
import { newSecret } from '../../src/callback/signer.js';
import { TargetGuard } from '../../src/callback/target-guard.js';
import { HttpAsker } from '../../src/check/http-asker.js';
import type { CheckQuestion } from '../../src/check/producer-asker.js';
import { systemClock } from '../../src/message/clock.js';
import type { SigningSecrets } from '../../src/store/catalog-store.js';
import { answering, hanging, TargetServer } from '../callback/target-server.js';

const question: CheckQuestion = {
  check: {
    transactionId: 'tx.1',
    producer: 'shop',
    attempt: 3,
    preparedAt: Date.UTC(2030, 0, 2, 3, 4, 5, 6),
    instance: 'pod-1',
    messageIds: ['m-1', 'm-2'],
  },
  askedAt: Date.UTC(2030, 0, 2, 3, 4, 12, 7),
  messages: [
    {
      id: 'm-1',
      topic: 'orders',
      key: 'k',
      tag: 't',
      headers: { a: 'b' },
      body: { json: '{"big":12345678901234567890}' },
      storedAt: 0,
    },
    { id: 'm-2', topic: 'orders', body: { bytes: Buffer.from([0, 255]) }, storedAt: 0 },
  ],
};

const never = new AbortController().signal;

describe('HttpAsker', () => {
  const secrets: SigningSecrets = { current: newSecret() };
  const closers: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
  });

  async function setUp(reply: TargetServer['reply'], guard = new TargetGuard(true), timeoutMs = 2_000) {
    const server = await new TargetServer(reply).listen();
    const client = new CallbackClient(guard);
    closers.push(
      () => client.close(),
      () => server.close(),
    );
    const asker = new HttpAsker(client, systemClock, timeoutMs);
    const ask = (url = server.url, withSecrets: SigningSecrets | null = secrets) =>
      asker.ask(question, { name: 'shop', checkBack: { type: 'http', url }, createdAt: 0 }, withSecrets, never);
    return { server, asker, ask };
  }

  it('asks as the contract says, with every byte of JSON bodies kept', async () => {
    const { server, ask } = await setUp(answering(200, '{"resolution":"commit"}'));
    expect(await ask()).toEqual({ outcome: 'commit' });
    const [call] = server.calls;
    expect(call!.text).toContain('"body":{"big":12345678901234567890}');
    expect(JSON.parse(call!.text)).toEqual({
      transactionId: 'tx.1',
      producer: 'shop',
      attempt: 3,
      preparedAt: '2030-01-02T03:04:05.006Z',
      askedAt: '2030-01-02T03:04:12.007Z',
      instance: 'pod-1',
      messages: [
        {
          id: 'm-1',
          topic: 'orders',
          key: 'k',
          tag: 't',
          headers: { a: 'b' },
          body: JSON.parse('{"big":12345678901234567890}') as unknown,
        },
        { id: 'm-2', topic: 'orders', bodyBase64: 'AP8=' },
      ],
    });
    expect(call!.headers['content-type']).toBe('application/json');
  });

  it('signs, with the previous secret too while it is good', async () => {
    const { server, ask } = await setUp(answering(200, '{"resolution":"unknown"}'));
    const previous = newSecret();
    await ask(undefined, { ...secrets, previous, previousUntil: Date.now() + 60_000 });
    await ask(undefined, { ...secrets, previous, previousUntil: Date.now() - 1 });
    const [during, after] = server.calls;
    new Webhook(secrets.current).verify(during!.text, during!.headers);
    new Webhook(previous).verify(during!.text, during!.headers);
    new Webhook(secrets.current).verify(after!.text, after!.headers);
    expect(() => new Webhook(previous).verify(after!.text, after!.headers)).toThrow('No matching signature');
    expect(during!.headers['webhook-id']).toBe('tx~1:check:3');
  });

  it.each(['commit', 'rollback', 'unknown'])('takes %s', async (resolution) => {
    const { ask } = await setUp(answering(200, JSON.stringify({ resolution, more: 1 })));
    expect(await ask()).toEqual({ outcome: resolution });
  });

  it.each([
    ['another status', 201, '{"resolution":"commit"}', 'http-201'],
    ['an error with a good body', 500, '{"resolution":"commit"}', 'http-500'],
    ['no body', 204, '', 'http-204'],
    ['an empty body', 200, '', 'not JSON'],
    ['a word', 200, 'commit', 'not JSON'],
    ['a JSON string', 200, '"commit"', 'no valid resolution'],
    ['an array', 200, '["commit"]', 'no valid resolution'],
    ['null', 200, 'null', 'no valid resolution'],
    ['another word', 200, '{"resolution":"committed"}', 'no valid resolution'],
    ['another case', 200, '{"resolution":"COMMIT"}', 'no valid resolution'],
    ['a list of words', 200, '{"resolution":["commit"]}', 'no valid resolution'],
    ['an inherited field', 200, '{"__proto__":{"resolution":"commit"}}', 'no valid resolution'],
    ['text behind it', 200, '{"resolution":"commit"} rollback', 'not JSON'],
    ['a web page', 200, '<html>commit</html>', 'not JSON'],
    ['more than 64 KiB', 200, `{"resolution":"commit","pad":"${'x'.repeat(10_000_000)}"}`, 'too large'],
  ])('calls %s invalid', async (_what, status, body, error) => {
    const { ask } = await setUp(answering(status, body));
    expect(await ask()).toEqual({ outcome: 'invalid', error: expect.stringContaining(error) as string });
  });

  it('calls bytes that are not UTF-8 invalid', async () => {
    const { ask } = await setUp((_call, response) => {
      response.end(Buffer.from('{"resolution":"commit","x":"\xff"}', 'latin1'));
    });
    expect((await ask()).outcome).toBe('invalid');
  });

  it('does not follow a redirect, whereever it leads', async () => {
    const { server: inner } = await setUp(answering(200, '{"resolution":"commit"}'));
    const { ask } = await setUp(answering(307, '', { location: inner.url }));
    expect(await ask()).toEqual({ outcome: 'invalid', error: 'http-307' });
    expect(inner.calls).toEqual([]);
  });

  it('tells a producer that hangs, before or within its answer', async () => {
    const { ask } = await setUp(hanging, undefined, 100);
    expect((await ask()).outcome).toBe('timeout');
    const { ask: askDripping } = await setUp((_call, response) => void response.write('{"reso'), undefined, 100);
    expect((await askDripping()).outcome).toBe('timeout');
  });

  it('tells a producer that cannot be reached', async () => {
    const { server, ask } = await setUp(answering(200));
    const { url } = server;
    await server.close();
    closers.pop();
    expect(await ask(url)).toEqual({ outcome: 'unreachable', error: 'ECONNREFUSED' });
  });

  it('does not call a private target, nor without a secret', async () => {
    const { server, ask } = await setUp(answering(200, '{"resolution":"commit"}'), new TargetGuard(false));
    expect(await ask()).toEqual({ outcome: 'unreachable', error: 'not a public address' });
    expect((await ask(server.url, null)).outcome).toBe('unreachable');
    expect(server.calls).toEqual([]);
  });

  it('asks only producers with a check-back of its kind', async () => {
    const { asker } = await setUp(answering(200));
    expect(asker.canAsk({ name: 'a', createdAt: 0 })).toBe(false);
    expect(asker.canAsk({ name: 'a', createdAt: 0, checkBack: { type: 'http', url: 'http://a/' } })).toBe(true);
  });
});

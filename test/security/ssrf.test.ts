import dns, { type LookupAddress } from 'node:dns';
import { RunningBroker } from '../api/running-broker.js';
import { CallbackClient } from '../../src/callback/callback-client.js';
import { TargetGuard } from '../../src/callback/target-guard.js';
import { Problem } from '../../src/message/problem.js';
import { answering, TargetServer } from '../callback/target-server.js';
import { until } from '../queue/until.js';

/** First and last addresses of every block of IANA's registries of special addresses that is not reached over the Internet. */
const specialAddresses = `
  0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.0 127.255.255.255
  169.254.0.0 169.254.169.254 169.254.255.255 172.16.0.0 172.31.255.255 192.0.0.0 192.0.0.8 192.0.0.170 192.0.0.255
  192.0.2.0 192.0.2.255 192.88.99.0 192.88.99.255 192.168.0.0 192.168.255.255 198.18.0.0 198.19.255.255
  198.51.100.0 198.51.100.255 203.0.113.0 203.0.113.255 224.0.0.0 239.255.255.255 240.0.0.0 255.255.255.255
  :: ::1 ::7f00:1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:7f00:1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1
  100::1 100:0:0:1::1 2001::1 2001:0:7f00:1:: 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1:: 2002:a00:1::
  3fff::1 4000::1 5f00::1 fc00::1 fdff:ffff::1 fe80::1 fe80::1%eth0 febf::1 fec0::1 ff02::1 ffff::1
`
  .trim()
  .split(/\s+/);

/** Their neighbours. */
const publicAddresses = `
  1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255 169.255.0.0
  172.15.255.255 172.32.0.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255 ::ffff:8.8.8.8
  2001:4860:4860::8888 2606:2800:21f:cb07::1 2a00:1450::1
`
  .trim()
  .split(/\s+/);

const notAllowed = [
  'http://127。0。0。1/',
  'http://127．0．0．1/',
  'http://127｡0｡0｡1/',
  'http://①②⑦.0.0.1/',
  'http://0x7f000001/',
  'http://017700000001/',
  'http://0x7f.0x0.0x0.0x1/',
  'http://0/',
  'http://127.1/',
  'http://%31%32%37.0.0.1/',
  'http://127.0.0.1:0/',
  'http://127.0.0.1#@example.com/',
  'http://127.0.0.1?@example.com/',
  'http://127.0.0.1\\@example.com/',
  'http:127.0.0.1',
  'http:/127.0.0.1',
  'http:///127.0.0.1',
  'HTTP://LOCALHOST/',
  'http://ⓛocalhost/',
  'http://loc\talhost/',
  'http://a.b.localhost./',
  'http://[::127.0.0.1]/',
  'http://[0:0:0:0:0:ffff:7f00:1]/',
];

const noTargets = [
  'http://example.com@127.0.0.1/',
  'http://127.0.0.1%2f@example.com/',
  'http://user:password@example.com/',
  'http://[::1%25lo]/',
  'http://256.1.1.1/',
  'http://example.com:99999/',
  'http://',
  'file://localhost/etc/passwd',
  'gopher://127.0.0.1:6379/_FLUSHALL',
  'unix:/var/run/docker.sock',
  'http+unix://%2fvar%2frun%2fdocker.sock/',
  'ftp://example.com/',
  'ws://example.com/',
  'data:text/plain,x',
  'javascript:alert(1)',
  'redis://127.0.0.1:6379',
];

const slugOf = (url: string): string => {
  try {
    new TargetGuard(false).checkUrl(url, 'url');
  } catch (error) {
    if (error instanceof Problem) return error.slug;
    throw error;
  }
  return 'allowed';
};

describe('targets that others chose', () => {
  it('are no address that is not reached over the Internet', () => {
    const guard = new TargetGuard(false);
    expect(specialAddresses.filter((address) => guard.allowsAddress(address))).toEqual([]);
    expect(publicAddresses.filter((address) => !guard.allowsAddress(address))).toEqual([]);
  });

  it.each(notAllowed)('%j is an address of the inside, however it is written', (url) => {
    expect(slugOf(url)).toBe('target-not-allowed');
  });

  it.each(noTargets)('%j is no target', (url) => {
    expect(slugOf(url)).toBe('validation-failed');
  });

  it.each([300, 301, 302, 303, 304, 307, 308])('a redirect (%i) is an answer and is not followed', async (status) => {
    const inside = await new TargetServer(answering(200)).listen();
    const target = await new TargetServer(answering(status, '', { location: inside.url })).listen();
    const client = new CallbackClient(new TargetGuard(true));
    expect((await client.post(target.url, '{}', {}, 20_000)).status).toBe(status);
    expect([target.calls.length, inside.calls.length]).toEqual([1, 0]);
    await client.close();
    await Promise.all([target.close(), inside.close()]);
  });
});

describe('a name that turns to the inside after it was taken', () => {
  let broker: RunningBroker;
  let inside: TargetServer;
  const name = 'turning.example';

  beforeAll(async () => {
    inside = await new TargetServer(answering(200, '{"resolution":"commit"}')).listen();
    const known = dns.lookup as (...all: unknown[]) => void;
    const lookup = (hostname: string, ...others: unknown[]): void => {
      if (hostname !== name) return known(hostname, ...others);
      const done = others.at(-1) as (error: null, addresses: LookupAddress[]) => void;
      done(null, [
        { address: '127.0.0.1', family: 4 },
        { address: '::ffff:127.0.0.1', family: 6 },
      ]);
    };
    jest.spyOn(dns, 'lookup').mockImplementation(lookup as typeof dns.lookup);
    broker = await RunningBroker.start({ allowPrivateTargets: false });
  });

  afterAll(async () => {
    jest.restoreAllMocks();
    await broker.stop();
    await inside.close();
  });

  const url = () => `http://${name}:${inside.port}/`;

  it('is not pushed to', async () => {
    const push = { mode: 'push', push: { url: url() }, maxAttempts: 1 };
    expect((await broker.put('/v1/subscriptions/orders/pushed', push)).status).toBe(200);
    await broker.post('/v1/messages', { topic: 'orders', body: 1 });
    const letter = await until('dead letter', async () => (await broker.get('/v1/dead-letters')).body.items[0], 30_000);
    expect(letter.error).toContain('not a public address');
    expect(inside.calls).toEqual([]);
  });

  it('is not asked how a transaction ended', async () => {
    const checkBack = { type: 'http', url: url() };
    expect((await broker.put('/v1/producers/shop', { checkBack })).status).toBe(200);
    await broker.post('/v1/transactions', { id: 'asked', producer: 'shop', messages: [{ topic: 'orders', body: 1 }] });
    const { body } = await broker.post('/v1/transactions/asked/check');
    expect([body.state, body.checks[0].outcome]).toEqual(['prepared', 'unreachable']);
    expect(inside.calls).toEqual([]);
  });

  it('cannot be named as a transport: the operator names those', async () => {
    const forward = { transport: 'tcp', pattern: 'x' };
    const forwarding = await broker.put('/v1/subscriptions/orders/forwarded', { mode: 'forward', forward });
    expect([forwarding.status, forwarding.body.errors[0].path]).toEqual([400, 'forward.transport']);
    const checkBack = { type: 'microservice', transport: 'tcp', pattern: 'x' };
    expect((await broker.put('/v1/producers/shop', { checkBack })).status).toBe(400);
  });
});

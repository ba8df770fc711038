import type { LookupAddress } from 'node:dns';
import { TargetGuard, TargetNotAllowed } from '../../src/callback/target-guard.js';
import { Problem } from '../../src/message/problem.js';

function slugOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof Problem) return error.slug;
    throw error;
  }
  return 'allowed';
}

describe('TargetGuard.checkUrl', () => {
  const guard = new TargetGuard(false);

  it.each(['https://example.com/hook', 'http://93.184.215.14:8080/x?y=1', 'https://[2606:2800:21f:cb07::1]/'])(
    'takes %s',
    (url) => {
      expect(guard.checkUrl(url, 'push.url').href).toBe(new URL(url).href);
    },
  );

  it.each([
    ['loopback', 'http://127.0.0.1/'],
    ['loopback by name', 'http://localhost:3000/'],
    ['loopback by name with a dot', 'http://LOCALHOST./'],
    ['a name under localhost', 'http://a.localhost/'],
    ['decimal loopback', 'http://2130706433/'],
    ['octal loopback', 'http://0177.0.0.1/'],
    ['hexadecimal loopback', 'http://0x7f.1/'],
    ['shortened loopback', 'http://127.1/'],
    ['full-width digits', 'http://１２７.０.０.１/'],
    ['with a trailing dot', 'http://127.0.0.1./'],
    ['this host', 'http://0.0.0.0/'],
    ['private 10/8', 'http://10.1.2.3/'],
    ['private 172.16/12', 'http://172.31.255.255/'],
    ['private 192.168/16', 'http://192.168.0.1/'],
    ['carrier-grade NAT', 'http://100.64.0.1/'],
    ['metadata', 'http://169.254.169.254/latest/meta-data'],
    ['broadcast', 'http://255.255.255.255/'],
    ['multicast', 'http://224.0.0.1/'],
    ['documentation', 'http://203.0.113.5/'],
    ['v6 loopback', 'http://[::1]/'],
    ['v6 unspecified', 'http://[::]/'],
    ['v6 link-local', 'http://[fe80::1]/'],
    ['v6 unique local', 'http://[fd00:ec2::254]/'],
    ['v4 mapped into v6', 'http://[::ffff:127.0.0.1]/'],
    ['v4 mapped into v6, hexadecimal', 'http://[::ffff:7f00:1]/'],
    ['v4 compatible v6', 'http://[::127.0.0.1]/'],
    ['NAT64 of a private address', 'http://[64:ff9b::10.0.0.1]/'],
    ['6to4 of a private address', 'http://[2002:a00:1::]/'],
    ['Teredo', 'http://[2001:0:1::1]/'],
  ])('refuses %s', (_what, url) => {
    expect(slugOf(() => guard.checkUrl(url, 'push.url'))).toBe('target-not-allowed');
  });

  it.each([
    ['no URL', 'nonsense'],
    ['a path', '/hook'],
    ['another scheme', 'file:///etc/passwd'],
    ['ftp', 'ftp://example.com/'],
    ['a user', 'http://user@example.com/'],
    ['a password', 'https://:secret@example.com/'],
    ['too long', `https://example.com/${'x'.repeat(2048)}`],
  ])('calls %s invalid and names the field', (_what, url) => {
    expect(slugOf(() => guard.checkUrl(url, 'push.url'))).toBe('validation-failed');
    expect(() => guard.checkUrl(url, 'push.url')).toThrow(
      expect.objectContaining({ fields: [expect.objectContaining({ path: 'push.url' })] }),
    );
  });

  it('takes a public v4 address that is mapped into v6', () => {
    expect(slugOf(() => guard.checkUrl('http://[::ffff:93.184.215.14]/', 'url'))).toBe('allowed');
  });

  it('takes private targets when they are allowed, but still no credentials', () => {
    const open = new TargetGuard(true);
    expect(slugOf(() => open.checkUrl('http://127.0.0.1:3000/', 'url'))).toBe('allowed');
    expect(slugOf(() => open.checkUrl('http://localhost:3000/', 'url'))).toBe('allowed');
    expect(slugOf(() => open.checkUrl('http://a:b@127.0.0.1/', 'url'))).toBe('validation-failed');
  });
});

describe('TargetGuard.lookup', () => {
  const resolveTo = (addresses: LookupAddress[]) =>
    new TargetGuard(false, (_hostname, _options, callback) => callback(null, addresses));

  const lookup = (guard: TargetGuard, options: object) =>
    new Promise((resolve) => guard.lookup('name.example', options, (error, address) => resolve(error ?? address)));

  it('refuses a name whose every address is private', async () => {
    const guard = resolveTo([
      { address: '10.0.0.1', family: 4 },
      { address: '::ffff:192.168.1.1', family: 6 },
    ]);
    expect(await lookup(guard, { all: true })).toBeInstanceOf(TargetNotAllowed);
    expect(await lookup(guard, {})).toBeInstanceOf(TargetNotAllowed);
  });

  it('gives only the public addresses of a name that has both', async () => {
    const guard = resolveTo([
      { address: '127.0.0.1', family: 4 },
      { address: '93.184.215.14', family: 4 },
    ]);
    expect(await lookup(guard, { all: true })).toEqual([{ address: '93.184.215.14', family: 4 }]);
    expect(await lookup(guard, {})).toBe('93.184.215.14');
    expect(await lookup(guard, { family: 6 })).toBeInstanceOf(TargetNotAllowed);
  });

  it('passes a resolver error on', async () => {
    const failed = Object.assign(new Error('no such name'), { code: 'ENOTFOUND' });
    const guard = new TargetGuard(false, (_hostname, _options, callback) => callback(failed, []));
    expect(await lookup(guard, { all: true })).toBe(failed);
  });
});

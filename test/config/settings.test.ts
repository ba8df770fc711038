import { readEnvironment } from '../../src/config/read-environment.js';
import { completeSettings } from '../../src/config/settings.js';
import { SettingsError } from '../../src/config/settings-error.js';

function problemsOf(environment: Record<string, string>): string[] {
  try {
    readEnvironment(environment);
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
  return [];
}

describe('settings', () => {
  it('has a default for everything', () => {
    expect(readEnvironment({ PATH: '/bin' })).toMatchObject({
      storeUrl: 'sqlite:./.halfbox/halfbox.db',
      host: '127.0.0.1',
      port: 3900,
      firstCheckAfterMs: 6_000,
      checkIntervalMs: 30_000,
      checkMax: 15,
      checkAgeMaxMs: 3 * 86_400_000,
      checkTimeoutMs: 5_000,
      rolledBackRetentionMs: 3 * 86_400_000,
      messageRetentionMs: 72 * 3_600_000,
      retentionIntervalMs: 60_000,
      deadLetterRetentionMs: 30 * 86_400_000,
      parkedRetentionMs: 30 * 86_400_000,
      autoCreate: true,
      allowPrivateTargets: true,
      durability: 'flushed',
      pendingMax: 10_000,
      pendingBytesMax: 128 * 1024 * 1024,
    });
  });

  it('reads numbers, booleans and texts; an empty variable is not set', () => {
    const settings = readEnvironment({
      HALFBOX_PORT: '0',
      HALFBOX_AUTO_CREATE: 'false',
      HALFBOX_REDIS_URL: '',
      HALFBOX_STORE_URL: 'mysql://root@127.0.0.1/halfbox',
    });
    expect(settings).toMatchObject({ port: 0, autoCreate: false, storeUrl: 'mysql://root@127.0.0.1/halfbox' });
    expect(settings.redisUrl).toBeUndefined();
  });

  it('names the right option to programs that give a wrong one', () => {
    const wrong = { storeURL: 'sqlite:x.db', prot: 1 } as object;
    expect(() => completeSettings(wrong)).toThrow(
      expect.objectContaining({
        problems: ['storeURL: unknown option; did you mean storeUrl?', 'prot: unknown option; did you mean port?'],
      }),
    );
  });

  it.each([
    [
      { HALFBOX_CHECK_INTERVALL_MS: '1000' },
      'HALFBOX_CHECK_INTERVALL_MS: unknown setting; did you mean HALFBOX_CHECK_INTERVAL_MS?',
    ],
    [
      { HALFBOX_SOMETHING_ELSE_ENTIRELY: '1' },
      'HALFBOX_SOMETHING_ELSE_ENTIRELY: unknown setting; see docs/settings.md',
    ],
    [{ HALFBOX_PORT: '70000' }, 'HALFBOX_PORT: expected a whole number from 0 to 65535, got "70000"'],
    [{ HALFBOX_PORT: '39 00' }, 'HALFBOX_PORT: expected a whole number from 0 to 65535, got "39 00"'],
    [{ HALFBOX_CHECK_MAX: '1.5' }, 'HALFBOX_CHECK_MAX: expected a whole number from 1 to 100, got "1.5"'],
    [{ HALFBOX_AUTO_CREATE: 'yes' }, 'HALFBOX_AUTO_CREATE: expected true or false, got "yes"'],
    [
      { HALFBOX_DURABILITY: 'flush' },
      'HALFBOX_DURABILITY: expected flushed, replicated, relaxed, got "flush"; did you mean flushed?',
    ],
    [{ HALFBOX_REDIS_URL: 'localhost:6379' }, 'HALFBOX_REDIS_URL: expected a URL such as redis://127.0.0.1:6379'],
    [
      { HALFBOX_STORE_URL: 'postgres://x' },
      'HALFBOX_STORE_URL: expected sqlite:./path/to/file.db, mysql://… or mariadb://…',
    ],
    [{ HALFBOX_API_KEYS: 'shop' }, 'HALFBOX_API_KEYS: key 1: expected name:secret:scope+scope'],
  ])('refuses %j', (environment, problem) => {
    expect(problemsOf(environment)).toEqual([problem]);
  });

  it('reads named microservice transports', () => {
    const bus = { transport: 'redis', options: { host: '10.0.0.5', password: 'hush' } };
    const rabbit = { transport: 'rmq', options: { urls: ['amqp://guest:hush@10.0.0.6'], queue: 'orders' } };
    const settings = readEnvironment({
      HALFBOX_MICROSERVICES: JSON.stringify({ bus, rabbit, wire: { transport: 'tcp' } }),
    });
    expect(settings.microservices).toEqual({ bus, rabbit, wire: { transport: 'tcp', options: {} } });
    expect(completeSettings({ microservices: { bus: { transport: 'nats' } } }).microservices?.bus?.transport).toBe(
      'nats',
    );
  });

  it.each([
    ['{"bus":"amqp://guest:hush@10.0.0.6"', 'HALFBOX_MICROSERVICES: expected JSON such as {"bus":'],
    ['["hush"]', 'HALFBOX_MICROSERVICES: expected JSON such as {"bus":'],
    [
      '{"bus":{"transport":"carrier-pigeon"}}',
      'HALFBOX_MICROSERVICES: bus.transport: expected tcp, redis, nats, rmq, kafka, got "carrier-pigeon"',
    ],
    ['{"bus":{}}', 'HALFBOX_MICROSERVICES: bus.transport: expected tcp, redis, nats, rmq, kafka, got none'],
    ['{"my bus":{"transport":"tcp"}}', 'HALFBOX_MICROSERVICES: my bus: the name must be 1 to 64 of A-Z a-z 0-9 _ -'],
    ['{"bus":{"transport":"tcp","options":"hush"}}', 'HALFBOX_MICROSERVICES: bus.options: expected an object'],
    [
      '{"bus":{"transport":"rmq","options":{"password":"hush"}}}',
      'HALFBOX_MICROSERVICES: bus: rmq needs options.queue',
    ],
    ['{"bus":{"transport":"tcp","option":{"password":"hush"}}}', 'HALFBOX_MICROSERVICES: bus: Unrecognized key'],
  ])('refuses the transports %s without repeating what may be secret', (text, problem) => {
    const problems = problemsOf({ HALFBOX_MICROSERVICES: text });
    expect(problems).toEqual([expect.stringContaining(problem)]);
    expect(problems[0]).not.toContain('hush');
  });

  it('names every wrong setting at once', () => {
    expect(problemsOf({ HALFBOX_PORT: 'x', HALFBOX_CHECK_MAX: '0' })).toHaveLength(2);
  });

  it('ignores the variables of tests and benchmarks', () => {
    expect(problemsOf({ HALFBOX_TEST_MYSQL_URL: 'x', HALFBOX_BENCH_SECONDS: '1' })).toEqual([]);
  });

  it('refuses to listen beyond loopback without keys, and turns conveniences off there', () => {
    expect(problemsOf({ HALFBOX_HOST: '0.0.0.0' })[0]).toContain('HALFBOX_API_KEYS');
    const open = readEnvironment({ HALFBOX_HOST: '0.0.0.0', HALFBOX_API_KEYS: 'ops:secret:admin' });
    expect(open).toMatchObject({ autoCreate: false, allowPrivateTargets: false });
    for (const host of ['localhost', '127.0.0.2', '::1', '[::1]'])
      expect(problemsOf({ HALFBOX_HOST: host })).toEqual([]);
    for (const host of ['::', '10.0.0.1', 'broker.local']) expect(problemsOf({ HALFBOX_HOST: host })).toHaveLength(1);
  });

  it('checks the options of a module in the same way', () => {
    expect(completeSettings({ port: 0 }).checkMax).toBe(15);
    expect(() => completeSettings({ checkMax: 0 })).toThrow(/HALFBOX_CHECK_MAX/);
  });
});

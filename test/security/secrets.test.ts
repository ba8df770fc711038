import { createConnection, type Connection } from 'mysql2/promise';
import { answering, TargetServer } from '../callback/target-server.js';
import { PrivateRedis } from '../queue/private-redis.js';
import { mysqlServer } from '../store/databases.js';
import { freePort } from '../setup/private-server.mjs';
import { BrokerProcess, eventually } from '../system/broker-process.js';

/** What nobody may read who reads logs, metrics or answers. */
const secrets = {
  'the key of an API caller': 'k3y-of-a-caller',
  'a key that is wrong': 'k3y-that-is-wrong',
  'the password of the store': 'p4ssword-of-the-store',
  'the password of Redis': 'p4ssword-of-redis',
  'the password of a transport': 'p4ssword-of-a-transport',
  'the body of a message': 'b0dy-of-a-message',
  'a header of a message': 'h3ader-of-a-message',
  'the body of a request that is refused': 'b0dy-that-is-refused',
  'what a target answers': 'answ3r-of-a-target',
};
type Secret = keyof typeof secrets;

/** A real broker that tells all it can, and fails in every way that a test can bring about. */
describe('secrets and bodies', () => {
  jest.setTimeout(240_000);
  const user = `hb${Math.random().toString(36).slice(2, 10)}`;
  let place: { url: string; remove(): Promise<void> };
  let root: Connection;
  let redis: PrivateRedis;
  let broker: BrokerProcess;
  let target: TargetServer;
  /** Every answer to a caller. */
  const answers: string[] = [];

  const call = async (
    method: string,
    path: string,
    body?: unknown,
    key: Secret | null = 'the key of an API caller',
  ) => {
    const response = await fetch(broker.url + path, {
      method,
      headers: {
        ...(key && { authorization: `Bearer ${secrets[key]}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    answers.push(text);
    return { status: response.status, text };
  };
  const message = (more: object = {}) => ({
    topic: 'orders',
    body: { card: secrets['the body of a message'] },
    headers: { token: secrets['a header of a message'] },
    ...more,
  });

  beforeAll(async () => {
    place = await mysqlServer.provide();
    const url = new URL(place.url);
    root = await createConnection({ uri: process.env['HALFBOX_TEST_MYSQL_URL']! });
    await root.query(`CREATE USER ${user} IDENTIFIED BY '${secrets['the password of the store']}'`);
    await root.query(`GRANT ALL ON ${url.pathname.slice(1)}.* TO ${user}`);
    url.username = user;
    url.password = secrets['the password of the store'];
    redis = await PrivateRedis.start();
    await redis.ask((commands) => commands.config('SET', 'requirepass', secrets['the password of Redis']));
    target = await new TargetServer(answering(500, secrets['what a target answers'])).listen();
    const nobody = await freePort();
    const password = secrets['the password of a transport'];
    broker = await BrokerProcess.start({
      HALFBOX_STORE_URL: url.href,
      HALFBOX_REDIS_URL: redis.url.replace('//', `//:${secrets['the password of Redis']}@`),
      HALFBOX_API_KEYS: `ops:${secrets['the key of an API caller']}:produce+consume+admin`,
      HALFBOX_LOG_LEVEL: 'trace',
      HALFBOX_CHECK_TIMEOUT_MS: '500',
      HALFBOX_MICROSERVICES: JSON.stringify({
        bus: { transport: 'redis', options: { host: '127.0.0.1', port: nobody, password } },
        rabbit: { transport: 'rmq', options: { urls: [`amqp://me:${password}@127.0.0.1:${nobody}`], queue: 'q' } },
        wire: { transport: 'nats', options: { servers: [`nats://127.0.0.1:${nobody}`], user: 'me', pass: password } },
      }),
    });
  });

  afterAll(async () => {
    await broker.kill();
    await target.close();
    await redis.stop();
    await root.query(`DROP USER IF EXISTS ${user}`);
    await root.end();
    await place.remove();
  });

  /** Nothing of what was printed and answered so far has one in it. */
  const expectNone = (more: string[] = []): void => {
    const told = [broker.printed, ...answers];
    const named: [string, string][] = [
      ...Object.entries(secrets),
      ...more.map((value): [string, string] => ['made', value]),
    ];
    for (const [what, value] of named) {
      const found = told.filter((text) => text.includes(value)).map((text) => around(text, value));
      expect([what, found]).toEqual([what, []]);
    }
  };
  const made: string[] = [];
  const keepSecret = (text: string): void => {
    const { secret } = JSON.parse(text) as { secret: string };
    expect(secret).toMatch(/^whsec_/);
    // Given to the one who asked for it, and to nobody else.
    answers.splice(answers.indexOf(text), 1);
    made.push(secret.replace('whsec_', ''));
  };

  it('stay where they are while all goes well', async () => {
    const checkBack = { type: 'http', url: target.url };
    keepSecret((await call('PUT', '/v1/producers/shop', { checkBack })).text);
    keepSecret((await call('POST', '/v1/producers/shop/rotate-secret')).text);
    const push = { mode: 'push', push: { url: target.url }, maxAttempts: 1 };
    keepSecret((await call('PUT', '/v1/subscriptions/orders/pushed', push)).text);
    await call('PUT', '/v1/subscriptions/orders/queued', { mode: 'queue' });
    for (const transport of ['bus', 'rabbit', 'wire']) {
      const forward = { mode: 'forward', forward: { transport, pattern: 'orders' } };
      expect((await call('PUT', `/v1/subscriptions/orders/to-${transport}`, forward)).status).toBe(200);
    }
    expect((await call('POST', '/v1/messages', message({ id: 'm1' }))).status).toBe(201);
    await eventually('dead letter', async () =>
      (await call('GET', '/v1/dead-letters')).text.includes('m1') ? true : undefined,
    );
    const prepare = { id: 't1', producer: 'shop', messages: [message()] };
    expect((await call('POST', '/v1/transactions', prepare)).status).toBe(201);
    await call('POST', '/v1/transactions/t1/check');
    for (const path of [
      '/metrics',
      '/health/ready',
      '/v1/nodes',
      '/v1/producers',
      '/v1/subscriptions',
      '/openapi.json',
    ]) {
      await call('GET', path);
    }
    expectNone(made);
  });

  it('stay where they are when callers are refused', async () => {
    const refused = secrets['the body of a request that is refused'];
    for (const body of [
      `{"topic":"orders","body":"${refused}"`,
      `"${refused}"`,
      `{"topic":"orders","body":1,"body":"${refused}"}`,
    ]) {
      expect((await call('POST', '/v1/messages', body)).status).toBe(400);
    }
    expect((await call('POST', '/v1/messages', message({ id: 'm1', body: refused }))).status).toBe(409);
    expect((await call('POST', '/v1/messages', message({ body: refused, delayMs: -1 }))).status).toBe(400);
    expect((await call('GET', '/v1/topics', undefined, 'a key that is wrong')).status).toBe(401);
    expect((await call('GET', '/v1/topics', undefined, null)).status).toBe(401);
    expectNone(made);
  });

  it('stay where they are when statements of the store fail', async () => {
    const database = new URL(place.url).pathname.slice(1);
    for (const table of ['message', 'producer', 'subscription']) {
      await root.query(`RENAME TABLE ${database}.halfbox_${table} TO ${database}.away_${table}`);
    }
    expect((await call('POST', '/v1/messages', message({ id: 'm2' }))).status).toBe(500);
    expect((await call('POST', '/v1/transactions', { producer: 'shop', messages: [message()] })).status).toBe(500);
    expect((await call('PUT', '/v1/producers/bank', {})).status).toBe(500);
    expect((await call('POST', '/v1/producers/shop/rotate-secret')).status).toBe(500);
    for (const table of ['message', 'producer', 'subscription']) {
      await root.query(`RENAME TABLE ${database}.away_${table} TO ${database}.halfbox_${table}`);
    }
    expect(broker.printed).toContain('a request failed');
    expectNone(made);
  });

  it('stay where they are when the store and Redis are lost', async () => {
    await redis.kill();
    await root.query(`ALTER USER ${user} IDENTIFIED BY 'another'`);
    const [connections] = await root.query('SELECT id FROM information_schema.processlist WHERE user = ?', [user]);
    for (const { id } of connections as { id: number }[]) await root.query(`KILL ${id}`).catch(ignoreGone);
    await eventually('failure', async () =>
      (await call('POST', '/v1/messages', message())).status === 503 ? true : undefined,
    );
    await call('GET', '/health/ready');
    await call('GET', '/metrics');
    await broker.stop();
    expectNone(made);
  });

  it('stay where they are when a start fails', async () => {
    const url = new URL(place.url);
    url.username = user;
    url.password = `${secrets['the password of the store']}-mistyped`;
    const environment: Record<string, string>[] = [
      { HALFBOX_STORE_URL: url.href },
      { HALFBOX_STORE_URL: `mysql://me:${secrets['the password of the store']}@127.0.0.1:1/halfbox` },
      { HALFBOX_STORE_URL: `mysql://me:12/${secrets['the password of the store']}@127.0.0.1:1/halfbox` },
      { HALFBOX_STORE_URL: `postgres://me:${secrets['the password of the store']}@127.0.0.1/halfbox` },
      { HALFBOX_STORE_URL: `mysql://me:%zz${secrets['the password of the store']}@127.0.0.1:1/halfbox` },
      { HALFBOX_API_KEYS: `${secrets['the key of an API caller']}` },
      { HALFBOX_API_KEYS: `ops:${secrets['the key of an API caller']}:everything` },
      { HALFBOX_REDIS_URL: `http://:${secrets['the password of Redis']}@127.0.0.1` },
      { HALFBOX_MICROSERVICES: `{"bus":{"transport":"tcp","password":"${secrets['the password of a transport']}"` },
      { HALFBOX_MICROSERVICES: `{"bus":{"password":"${secrets['the password of a transport']}"}}` },
    ];
    for (const one of environment) {
      const told = await BrokerProcess.start({ HALFBOX_LOG_LEVEL: 'trace', ...one }).then(
        async (started) => {
          await started.kill();
          return `it started with ${JSON.stringify(one)}`;
        },
        (error: Error) => error.message,
      );
      expect(told).toContain('the broker ended');
      for (const [what, value] of Object.entries(secrets))
        expect([what, told.includes(value), told]).toEqual([what, false, told]);
    }
  });
});

/** A connection may have ended by itself. */
function ignoreGone(error: { code?: string }): void {
  if (error.code !== 'ER_NO_SUCH_THREAD') throw error as Error;
}

function around(text: string, value: string): string {
  const at = text.indexOf(value);
  return text.slice(Math.max(0, at - 300), at + value.length + 50);
}

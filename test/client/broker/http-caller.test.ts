import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { HttpCaller } from '../../../src/client/broker/http-caller.js';
import { FakeBroker } from './fake-broker.js';

describe('HttpCaller', () => {
  let broker: FakeBroker;
  let caller: HttpCaller;

  beforeEach(async () => {
    broker = await FakeBroker.start();
    caller = new HttpCaller({ url: broker.url, answerBytesMax: 100_000 });
  });

  afterEach(async () => {
    await caller.close();
    await broker.stop();
  });

  const call = (timeoutMs = 5_000) => caller.call({ method: 'POST', path: '/v1/messages', body: {}, timeoutMs });

  it.each(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH'])(
    'says that the call may be done where a connection ends with %s after it was sent',
    async (code) => {
      const channel = 'undici:client:sendHeaders';
      const onSent = (message: unknown) => {
        const { socket } = message as { socket: Socket };
        setImmediate(() => socket.destroy(Object.assign(new Error(`read ${code}`), { code, syscall: 'read' })));
      };
      broker.answer = () => {};
      subscribe(channel, onSent);
      try {
        await expect(call()).rejects.toMatchObject({ code: 'broker-unreachable', mayBeDone: true });
      } finally {
        unsubscribe(channel, onSent);
      }
    },
  );

  it.each(['http://127.0.0.1:1', 'http://localhost:1', 'http://nobody.invalid:1'])(
    'says that nothing was done where %s cannot be reached',
    async (url) => {
      const nobody = new HttpCaller({ url });
      const failed = nobody.call({ method: 'POST', path: '/v1/messages', body: {}, timeoutMs: 5_000 });
      await expect(failed).rejects.toMatchObject({ code: 'broker-unreachable', mayBeDone: false });
      await nobody.close();
    },
  );

  it('reads no more of an answer than it may', async () => {
    let written = 0;
    broker.answer = (_path, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(10_000))) written += 10_000;
        if (!response.destroyed) response.once('drain', more);
      };
      more();
    };
    await expect(call()).rejects.toMatchObject({
      code: 'broker-unreachable',
      mayBeDone: true,
      cause: { message: 'the answer is larger than 100000 bytes' },
    });
    broker.answer = (_path, response) => void response.end('y'.repeat(100_000));
    expect((await call()).text).toHaveLength(100_000);
    expect(written).toBeGreaterThan(100_000);
  });

  it('reads an answer that comes in pieces of characters, and gives up on one that drips', async () => {
    broker.answer = (_path, response) => {
      const bytes = Buffer.from('"ä€😀"');
      for (const byte of bytes) response.write(Buffer.of(byte));
      response.end();
    };
    expect((await call()).text).toBe('"ä€😀"');
    broker.answer = (_path, response) => void setInterval(() => response.write('x'), 10).unref();
    await expect(call(200)).rejects.toMatchObject({ code: 'broker-unreachable', mayBeDone: true });
  });
});

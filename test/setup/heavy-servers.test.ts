import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { askNats, natsServer } from './nats-server.mjs';
import { programOf } from './program-of.js';
import { askRabbitmq, rabbitmqServer } from './rabbitmq-server.mjs';

/** Processes whose arguments or environment name this text. */
async function processesNaming(text: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)('ps', ['axeww', '-o', 'command'], { maxBuffer: 64 * 1024 * 1024 });
  return stdout.split('\n').filter((line) => line.includes(text));
}

describe('servers that a suite starts when it needs them', () => {
  test('RabbitMQ answers, and leaves no process behind', async () => {
    const { url, stop } = await rabbitmqServer.startProgram(await programOf(rabbitmqServer));
    const node = `halfbox-test-${new URL(url).port}@localhost`;
    await askRabbitmq(url);
    const running = await processesNaming(node);
    expect(running.some((line) => line.includes('beam'))).toBe(true);
    expect(running.some((line) => line.includes('epmd'))).toBe(true);
    await stop();
    await expect(askRabbitmq(url)).rejects.toThrow();
    // The node's own children end when they notice that it is gone.
    await expect(untilNone(() => processesNaming(node))).resolves.toEqual([]);
  }, 90_000);

  test('NATS answers, and leaves no process behind', async () => {
    const { url, stop } = await natsServer.startProgram(await programOf(natsServer));
    await askNats(url);
    expect(await processesNaming(`--port ${new URL(url).port}`)).toHaveLength(1);
    await stop();
    await expect(askNats(url)).rejects.toThrow();
    expect(await processesNaming(`--port ${new URL(url).port}`)).toEqual([]);
  });
});

/** What is left after at most five seconds. */
async function untilNone(look: () => Promise<string[]>): Promise<string[]> {
  const giveUpAt = performance.now() + 5_000;
  for (;;) {
    const found = await look();
    if (found.length === 0 || performance.now() > giveUpAt) return found;
  }
}

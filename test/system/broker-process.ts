import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { freePort } from '../setup/private-server.mjs';

/** The answer of a call: its status and its JSON body. */
export interface Answer {
  status: number;
  // The contract's shapes are checked by the assertions of each test.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  body: any;
}

/** Asks until the answer is not undefined; fails after the deadline, naming what was waited for. */
export async function eventually<Value>(
  what: string,
  ask: () => Promise<Value | undefined>,
  deadlineMs = 20_000,
): Promise<Value> {
  const deadline = Date.now() + deadlineMs;
  for (;;) {
    const value = await ask();
    if (value !== undefined) return value;
    if (Date.now() > deadline) throw new Error(`within ${deadlineMs} ms there was no ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** A real broker in a process of its own, as `halfbox start` runs it. */
export class BrokerProcess {
  private constructor(
    readonly child: ChildProcess,
    readonly url: string,
    private readonly output: string[],
  ) {}

  static async start(environment: Record<string, string>): Promise<BrokerProcess> {
    const port = environment['HALFBOX_PORT'] ?? String(await freePort());
    const main = join(__dirname, '../../dist/src/main.js');
    const child = spawn(process.execPath, [main, 'start'], {
      env: { ...process.env, HALFBOX_PORT: port, HALFBOX_LOG_LEVEL: 'warn', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output: string[] = [];
    for (const stream of [child.stdout, child.stderr])
      stream!.on('data', (data: Buffer) => output.push(data.toString()));
    const broker = new BrokerProcess(child, `http://127.0.0.1:${port}`, output);
    try {
      await eventually('ready broker', () => broker.#ready(), 60_000);
    } catch (error) {
      await broker.kill();
      throw error;
    }
    return broker;
  }

  /** All that it has printed so far. */
  get printed(): string {
    return this.output.join('');
  }

  async #ready(): Promise<true | undefined> {
    if (this.child.exitCode !== null) throw new Error(`the broker ended: ${this.output.join('')}`);
    const answer = await fetch(`${this.url}/health/ready`).catch(() => undefined);
    return answer?.status === 200 ? true : undefined;
  }

  async call(method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await fetch(this.url + path, {
      method,
      ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  }

  post(path: string, body?: unknown): Promise<Answer> {
    return this.call('POST', path, body);
  }

  put(path: string, body: unknown = {}): Promise<Answer> {
    return this.call('PUT', path, body);
  }

  get(path: string): Promise<Answer> {
    return this.call('GET', path);
  }

  /** Prepares and commits one transaction with a message per body; answers its id. */
  async commitTransaction(topic: string, bodies: unknown[]): Promise<string> {
    const messages = bodies.map((body) => ({ topic, body }));
    const prepared = await this.post('/v1/transactions', { producer: 'shop', messages });
    if (prepared.status !== 201) throw new Error(`prepare: ${prepared.status} ${JSON.stringify(prepared.body)}`);
    const id = (prepared.body as { id: string }).id;
    const committed = await this.post(`/v1/transactions/${id}/commit`);
    if (committed.status !== 200) throw new Error(`commit: ${committed.status} ${JSON.stringify(committed.body)}`);
    return id;
  }

  /** Ends the process without a chance to clean up. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Asks it to stop as an operator would; answers its exit code. */
  async stop(): Promise<number | null> {
    await this.#end('SIGTERM');
    return this.child.exitCode;
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.kill(signal);
    await exited;
  }
}

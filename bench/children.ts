import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { boundToThisProcess, freePort } from './servers.js';

const readyMsMax = 60_000;

/** Flags of Node.js for everything that is measured: those with which `npm start` and the image start the broker. */
export const nodeFlags = ['--max-semi-space-size=32', '--v8-pool-size=2'];

interface Answer {
  call: number;
  answer?: unknown;
  error?: string;
}

/** A forked script of `bench/processes`, which answers calls by name. */
export class Worker {
  readonly #child: ChildProcess;
  readonly #script: string;
  readonly #waiting = new Map<number, { resolve(answer: unknown): void; reject(error: Error): void }>();
  #calls = 0;
  #ended: string | undefined;

  constructor(script: string, options: unknown, execArgv = nodeFlags) {
    const path = fileURLToPath(new URL(`./processes/${script}.js`, import.meta.url));
    this.#script = script;
    this.#child = fork(path, [JSON.stringify(options)], { execArgv, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child.on('message', ({ call, answer, error }: Answer) => {
      const waiting = this.#waiting.get(call);
      this.#waiting.delete(call);
      if (error === undefined) waiting?.resolve(answer);
      else waiting?.reject(new Error(`${script}: ${error}`));
    });
    this.#child.once('exit', (code, signal) => {
      this.#ended = `${script}: the process ended with ${code ?? signal}`;
      for (const { reject } of this.#waiting.values()) reject(new Error(this.#ended));
      this.#waiting.clear();
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Sends a call and waits for its answer; rejects with the error of the call, or when the process ends instead. */
  async call<Result>(name: string, argument?: unknown): Promise<Result> {
    if (this.#ended !== undefined) throw new Error(this.#ended);
    const call = (this.#calls += 1);
    const answered = new Promise<unknown>((resolve, reject) => this.#waiting.set(call, { resolve, reject }));
    this.#child.send({ call, name, argument }, (error) => {
      if (error) this.#waiting.get(call)?.reject(new Error(`${this.#script}: ${error.message}`));
    });
    return (await answered) as Result;
  }

  async stop(): Promise<void> {
    await stopped(this.#child);
  }
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  // One that does not heed it would hold up the run for ever.
  const firmly = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await exited;
  clearTimeout(firmly);
}

export interface Broker {
  url: string;
  pid: number;
  /** From its start until it said that it is ready. */
  startSeconds: number;
  stop(): Promise<void>;
}

/** Starts the built broker in a process of its own, with `HALFBOX_BENCH_NODE_FLAGS`, and waits until it is ready. */
export async function startBroker(environment: Record<string, string>): Promise<Broker> {
  const port = await freePort();
  const main = fileURLToPath(new URL('../src/main.js', import.meta.url));
  const flags = [...nodeFlags, ...(process.env.HALFBOX_BENCH_NODE_FLAGS?.split(' ') ?? [])];
  const [command, args] = await boundToThisProcess(process.execPath, [...flags, main, 'start']);
  const startedAt = performance.now();
  const child = spawn(command, args, {
    env: { ...process.env, HALFBOX_PORT: String(port), HALFBOX_LOG_LEVEL: 'warn', ...environment },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const url = `http://127.0.0.1:${port}`;
  try {
    await untilReady(url, child, startedAt);
  } catch (error) {
    await stopped(child);
    throw error;
  }
  const startSeconds = (performance.now() - startedAt) / 1000;
  return { url, pid: child.pid!, startSeconds, stop: () => stopped(child) };
}

async function untilReady(url: string, child: ChildProcess, startedAt: number): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the broker ended with ${child.exitCode}`);
    const ready = await fetch(`${url}/health/ready`).then(
      (response) => response.ok,
      () => false,
    );
    if (ready) return;
    if (performance.now() - startedAt > readyMsMax) throw new Error(`the broker was not ready within ${readyMsMax} ms`);
    await delay(10);
  }
}

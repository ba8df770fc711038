import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

/** CPU seconds (user and system) that a process has used so far, from /proc; 0 where there is none. */
export function cpuSeconds(pid: number | undefined): number {
  if (pid === undefined) return 0;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return 0; // the process is gone, or this system has no /proc
  }
}

/** Peak resident memory of a process in MiB; NaN where /proc does not tell. */
export function peakMiB(pid: number | undefined): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024;
  } catch {
    return Number.NaN; // as above
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** A forked script of `bench/processes` that answers `{call, …}` messages with `{answer}`. */
export class Worker {
  readonly #child: ChildProcess;

  constructor(script: string, options: unknown) {
    const path = fileURLToPath(new URL(`./processes/${script}.js`, import.meta.url));
    this.#child = fork(path, [JSON.stringify(options)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Sends a call and waits for its answer; rejects when the process ends instead. */
  async call<Answer>(name: string): Promise<Answer> {
    this.#child.send({ call: name });
    return new Promise<Answer>((resolve, reject) => {
      const onExit = (code: number | null) => reject(new Error(`${name}: the process ended with ${code}`));
      this.#child.once('exit', onExit);
      this.#child.once('message', (message: { answer: Answer }) => {
        this.#child.off('exit', onExit);
        resolve(message.answer);
      });
    });
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await exited;
  }
}

export interface Broker {
  url: string;
  pid: number;
  stop(): Promise<void>;
}

/** Starts the built broker in a process of its own and waits until it is ready. */
export async function startBroker(environment: Record<string, string>): Promise<Broker> {
  const port = await freePort();
  const main = fileURLToPath(new URL('../src/main.js', import.meta.url));
  const flags = process.env.HALFBOX_BENCH_NODE_FLAGS?.split(' ') ?? [];
  const child = spawn(process.execPath, [...flags, main, 'start'], {
    env: { ...process.env, HALFBOX_PORT: String(port), HALFBOX_LOG_LEVEL: 'warn', ...environment },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const url = `http://127.0.0.1:${port}`;
  const deadline = Date.now() + 30_000;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the broker ended with ${child.exitCode}`);
    const ready = await fetch(`${url}/health/ready`).then(
      (response) => response.ok,
      () => false,
    );
    if (ready) break;
    if (Date.now() > deadline) throw new Error('the broker was not ready within 30 s');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const stop = async () => {
    if (child.exitCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  };
  return { url, pid: child.pid!, stop };
}

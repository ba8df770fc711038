import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

interface Handled {
  id: string;
  attempt: number;
}

/** A plain Bull worker in a process of its own. */
export class WorkerProcess {
  readonly handled: Handled[] = [];

  private constructor(private readonly child: ChildProcess) {}

  static async start(url: string, prefix: string, queueName: string, concurrency: number): Promise<WorkerProcess> {
    const file = join(__dirname, 'fixtures', 'bull-worker.mjs');
    const child = fork(file, [url, prefix, queueName, String(concurrency)], { execArgv: [] });
    const worker = new WorkerProcess(child);
    const ready = new Promise<void>((resolve) => {
      child.on('message', (message) => {
        if (message === 'ready') resolve();
        else worker.handled.push(message as Handled);
      });
    });
    const ended = once(child, 'exit').then(([code]) =>
      Promise.reject(new Error(`the worker ended with ${String(code)}`)),
    );
    await Promise.race([ready, ended]);
    ended.catch(() => undefined);
    return worker;
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exited;
  }
}

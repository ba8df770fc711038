import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort } from '../setup/private-server.mjs';
import { eventually, type Answer } from '../system/broker-process.js';

const root = resolve(__dirname, '../..');
/** Imports of NestJS and TypeORM take long on a machine that runs other suites. */
const readyMsMax = 60_000;

/** A service of the examples, as its README starts it. */
export class ExampleProcess {
  readonly lines: string[] = [];
  readonly #child: ChildProcess;

  private constructor(
    readonly url: string,
    file: string,
    environment: Record<string, string>,
    folder: string,
  ) {
    this.#child = spawn(process.execPath, [file], {
      cwd: folder,
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      createInterface({ input: stream }).on('line', (line) => this.lines.push(line));
    }
  }

  /** Resolves when it says that it is ready. Runs in the repository's folder where no other is given. */
  static async start(
    file: string,
    environment: Record<string, string>,
    { folder = root, readyText = 'ready' }: { folder?: string; readyText?: string } = {},
  ): Promise<ExampleProcess> {
    const port = String(await freePort());
    const service = new ExampleProcess(`http://127.0.0.1:${port}`, file, { PORT: port, ...environment }, folder);
    try {
      await service.line(readyText, readyMsMax);
    } catch (error) {
      await service.kill();
      throw error;
    }
    return service;
  }

  /** The first line, past ones included, with this text in it. */
  line(text: string, waitMsMax = 30_000): Promise<string> {
    return eventually(
      `'${text}'`,
      async () => {
        const found = this.lines.find((line) => line.includes(text));
        if (found === undefined && this.#child.exitCode !== null) throw new Error(`it ended: ${this.lines.join('\n')}`);
        return found;
      },
      waitMsMax,
    );
  }

  async post(path: string, body: unknown): Promise<Answer> {
    const response = await fetch(this.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { status: response.status, body: await response.json() };
  }

  /** Resolves when it has ended, whoever ended it; answers the signal, if it was one. */
  async ended(): Promise<NodeJS.Signals | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
    return this.#child.signalCode;
  }

  kill(): Promise<number | null> {
    return this.#end('SIGKILL');
  }

  /** Asks it to stop; answers its exit code, null where the signal ended it. */
  stop(): Promise<number | null> {
    return this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill(signal);
      await this.ended();
    }
    return this.#child.exitCode;
  }
}

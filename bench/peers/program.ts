import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { boundToThisProcess } from '../servers.js';

const repository = new URL('../../../', import.meta.url);
const portMsMax = 60_000;
const stopMsMax = 10_000;

/** What is used of `test/setup`, which is no TypeScript. */
interface Machine {
  findProgram(names: string[]): string | null;
}

/** Says which of the programs are not on the PATH, in words; null when all of them are. */
export async function notInstalled(programs: string[]): Promise<string | null> {
  const { findProgram } = (await import(new URL('test/setup/machine.mjs', repository).href)) as Machine;
  const absent = programs.filter((program) => findProgram([program]) === null);
  return absent.length === 0 ? null : `not installed: ${absent.join(', ')}`;
}

/** Where a peer's sources lie: `dtm`, `rocketmq`. */
export function sourcesOf(peer: string): string {
  return fileURLToPath(new URL(`bench/peers/${peer}`, repository));
}

/** Where what is built for a peer is kept between runs. */
export function builtFolder(peer: string): string {
  const folder = fileURLToPath(new URL(`node_modules/.cache/halfbox-peers/${peer}`, repository));
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** A folder for one run, deleted when the work or this process has ended. */
export async function withTemporaryFolder<Result>(work: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'halfbox-peer-'));
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  process.once('exit', remove);
  try {
    return await work(folder);
  } finally {
    process.off('exit', remove);
    remove();
  }
}

/** Runs a program to its end and answers what it printed; rejects with its last words when it fails. */
export async function runToEnd(program: string, args: string[], cwd: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(program, args, { cwd, maxBuffer: 64 * 2 ** 20 });
    return stdout;
  } catch (cause) {
    const { stdout, stderr } = cause as { stdout?: string; stderr?: string };
    throw new Error(`${program} ${args[0]} failed: ${`${stdout}${stderr}`.trim().slice(-2000)}`, { cause });
  }
}

/**
 * A program that runs beside this process and ends with it at the latest. It tells what happens by lines of JSON with a
 * member `event` on its standard output; everything else that it prints is its log.
 */
export class Program {
  readonly #child: ChildProcess;
  readonly #log: string;
  readonly #told: Record<string, unknown>[] = [];
  #changed: () => void = () => undefined;

  private constructor(child: ChildProcess, log: string) {
    this.#child = child;
    this.#log = log;
    const kill = () => child.kill('SIGKILL');
    // Before the folder in which it runs is deleted.
    process.prependOnceListener('exit', kill);
    child.once('exit', () => {
      process.off('exit', kill);
      this.#changed();
    });
    child.once('error', ({ message }) => {
      appendFileSync(log, message);
      this.#changed();
    });
    // What is written to a program that has ended is lost; whoever waits for its answer is told so.
    child.stdin!.on('error', () => undefined);
    createInterface({ input: child.stdout! }).on('line', (line) => {
      if (!line.startsWith('{"event":')) return appendFileSync(log, `${line}\n`);
      this.#told.push(JSON.parse(line) as Record<string, unknown>);
      this.#changed();
    });
  }

  /** `folder` is where it runs and where its log is written, `{name}.log`. */
  static async start(
    name: string,
    [program, ...args]: [string, ...string[]],
    folder: string,
    env: Record<string, string> = {},
  ): Promise<Program> {
    const log = join(folder, `${name}.log`);
    const [command, commandArgs] = await boundToThisProcess(program, args);
    const logFile = openSync(log, 'a');
    const child = spawn(command, commandArgs, {
      cwd: folder,
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', logFile],
    });
    closeSync(logFile);
    return new Program(child, log);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Writes a line to its standard input. */
  tell(line: string): void {
    this.#child.stdin!.write(`${line}\n`);
  }

  /** The next event of that name; what it told before is passed over. Rejects when the program ends, and when the time is over. */
  async event<Told>(name: string, withinMs = 60_000): Promise<Told> {
    const deadline = Date.now() + withinMs;
    for (;;) {
      for (let told = this.#told.shift(); told !== undefined; told = this.#told.shift()) {
        if (told.event === name) return told as Told;
      }
      this.#assertRunning(name);
      if (Date.now() > deadline) throw new Error(`"${name}" was not told in time: ${this.#lastWords()}`);
      const changed = new Promise<void>((resolve) => (this.#changed = resolve));
      await Promise.race([changed, delay(1000, undefined, { ref: false })]);
    }
  }

  /** Waits until something listens on the port of this machine. */
  async listensOn(port: number): Promise<void> {
    const deadline = Date.now() + portMsMax;
    while (!(await accepts(port))) {
      this.#assertRunning(`port ${port}`);
      if (Date.now() > deadline) throw new Error(`nothing listens on port ${port}: ${this.#lastWords()}`);
      await delay(20);
    }
  }

  /** By SIGTERM, and by SIGKILL where that has not ended it within ten seconds. */
  async stop(): Promise<void> {
    if (this.#child.pid === undefined || this.#ended) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), stopMsMax);
    await exited;
    clearTimeout(timer);
  }

  get #ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  #assertRunning(awaited: string): void {
    if (this.#child.pid !== undefined && !this.#ended) return;
    throw new Error(`the program ended before "${awaited}": ${this.#lastWords()}`);
  }

  #lastWords(): string {
    return readFileSync(this.#log, 'utf8').trim().slice(-2000);
  }
}

async function accepts(port: number): Promise<boolean> {
  const socket = createConnection(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false; // not yet
  } finally {
    socket.destroy();
  }
}

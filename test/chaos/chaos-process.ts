import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Order, SwitchAnswer, SwitchMessage } from './preload/kill-switch.js';

export interface ChaosProcessOptions {
  /** In the records of kills. */
  name: string;
  /** Path of the script, from this folder in the build. */
  script: string;
  args?: string[];
  environment: Record<string, string>;
  /** Further preloads beside the kill switch, from this folder. */
  preloads?: string[];
  /** Where its output goes. */
  log: string;
  /** Where it writes that it kills itself. */
  kills: string;
  /** Carried out from the start on. */
  order?: Order | undefined;
}

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  at: number;
}

const urlOf = (path: string): string => new URL(path, import.meta.url).href;

/** A real process of a scene, which can be told to kill itself at a step. */
export class ChaosProcess {
  readonly ended: Promise<Ended>;
  #end: Ended | undefined;
  #started: Promise<object> | undefined;

  private constructor(
    readonly child: ChildProcess,
    private readonly options: ChaosProcessOptions,
  ) {
    this.ended = once(child, 'exit').then(([code, signal]) => {
      this.#end = { code: code as number | null, signal: signal as NodeJS.Signals | null, at: Date.now() };
      return this.#end;
    });
  }

  static start(options: ChaosProcessOptions): ChaosProcess {
    const { name, script, args = [], environment, preloads = [], log, kills, order } = options;
    const imports = ['./preload/kill-switch.js', ...preloads].flatMap((path) => ['--import', urlOf(path)]);
    const output = openSync(log, 'a');
    const child = spawn(process.execPath, [...imports, fileURLToPath(urlOf(script)), ...args], {
      env: {
        ...process.env,
        ...environment,
        CHAOS_PROCESS: name,
        CHAOS_KILLS: kills,
        ...(order && { CHAOS_ORDER: JSON.stringify(order) }),
      },
      stdio: ['ignore', output, output, 'ipc'],
    });
    closeSync(output);
    running.add(child);
    child.once('exit', () => running.delete(child));
    // A message to one that has just died says nothing that its exit does not.
    child.on('error', () => undefined);
    return new ChaosProcess(child, options);
  }

  /** Resolves when the script has said that it is ready. Rejects when it ends before. */
  get started(): Promise<unknown> {
    return (this.#started ??= this.#answer((message) => 'answerTo' in message && message.answerTo === 'ready'));
  }

  /** How it ended; undefined while it runs. */
  get end(): Ended | undefined {
    return this.#end;
  }

  get output(): string {
    return readFileSync(this.options.log, 'utf8').slice(-4_000);
  }

  arm(order: Order): void {
    this.send({ arm: order });
  }

  disarm(): void {
    this.send({ disarm: true });
  }

  /** How often each step was reached. */
  async hits(): Promise<Record<string, number>> {
    const answer = this.#answer((message) => 'hits' in message);
    this.send({ hits: true });
    return ((await answer) as SwitchAnswer).hits;
  }

  /** Sends a message of the script's own and waits for its answer with the same `id`. */
  async ask<Answer extends object>(question: object, timeoutMs = 60_000): Promise<Answer> {
    const id = Math.random();
    const answer = this.#answer((message) => 'answerTo' in message && message.answerTo === id, timeoutMs);
    this.send({ ...question, id });
    return (await answer) as Answer;
  }

  async kill(): Promise<Ended> {
    if (!this.#end) this.child.kill('SIGKILL');
    return this.ended;
  }

  /** Asks it to stop in good order, and kills it when it has not after `withinMs`. */
  async stop(withinMs = 15_000): Promise<Ended> {
    if (!this.#end) this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), withinMs);
    return this.ended.finally(() => clearTimeout(timer));
  }

  private send(message: SwitchMessage | object): void {
    if (this.child.connected) this.child.send(message, () => undefined);
  }

  #answer(isIt: (message: object & { answerTo?: unknown }) => boolean, timeoutMs = 60_000): Promise<object> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        this.child.off('message', listen);
        act();
      };
      const listen = (message: object): void => {
        if (isIt(message)) settle(() => resolve(message));
      };
      const name = this.options.name;
      const timer = setTimeout(() => settle(() => reject(new Error(`${name} did not answer`))), timeoutMs);
      this.child.on('message', listen);
      void this.ended.then(() => settle(() => reject(new ProcessEnded(name, this.output))));
    });
  }
}

/** The process ended before it answered. */
export class ProcessEnded extends Error {
  constructor(name: string, output: string) {
    super(`${name} has ended:\n${output}`);
  }
}

/** None of them outlives the harness. */
const running = new Set<ChildProcess>();
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')));

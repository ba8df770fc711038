// @ts-check
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { promisify } from 'node:util';
import { diesWithThisProcess, untilAnswered } from './private-server.mjs';

/**
 * @typedef {object} ServerPlan
 * @property {string} url
 * @property {string} program
 * @property {string[]} args
 * @property {string} folder Of its data; deleted with it.
 * @property {NodeJS.ProcessEnv} [env] Default that of this process.
 * @property {(url: string) => Promise<unknown>} ask Rejects while the server does not answer.
 * @property {() => Promise<void>} [ended] Ends what it needed beside it.
 */

/** A server of one test, which is killed and started again on the same port and data. Ends with this process. */
export class KillableServer {
  /** @type {ServerPlan} */
  #plan;
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #child;

  /** @param {ServerPlan} plan */
  constructor(plan) {
    this.#plan = plan;
  }

  /**
   * One that answers; nothing is left of one that does not.
   * @param {ServerPlan} plan
   */
  static async started(plan) {
    const server = new KillableServer(plan);
    try {
      await server.start();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  get url() {
    return this.#plan.url;
  }

  /** @returns {number} */
  get pid() {
    if (this.#child?.pid === undefined) throw new Error(`${this.#plan.program} does not run`);
    return this.#child.pid;
  }

  get hasEnded() {
    return this.#child === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Resolves when it answers. */
  async start() {
    const { url, program, args, env, ask } = this.#plan;
    const [command, commandArgs] = diesWithThisProcess(program, args);
    const child = spawn(command, commandArgs, { env: env ?? process.env, stdio: 'ignore' });
    this.#child = child;
    const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`${program} ended with ${code}`)));
    ended.catch(() => undefined);
    await Promise.race([untilAnswered(() => ask(url)), ended]);
  }

  /** By SIGKILL; resolves when it has ended. */
  async kill() {
    const child = this.#child;
    if (child === undefined || this.hasEnded) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  /** Stops it in the middle of whatever it does, until `resume`: connections stay open and nothing is answered. */
  async pause() {
    const { pid } = this;
    this.#child?.kill('SIGSTOP');
    await untilAnswered(async () => {
      const { stdout } = await promisify(execFile)('ps', ['-o', 'stat=', '-p', String(pid)]);
      if (!stdout.startsWith('T')) throw new Error(`${this.#plan.program} goes on after SIGSTOP`);
    });
  }

  resume() {
    this.#child?.kill('SIGCONT');
  }

  /** Leaves nothing behind. */
  async stop() {
    await this.kill();
    await this.#plan.ended?.();
    rmSync(this.#plan.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

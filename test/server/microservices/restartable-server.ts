import { execFile, type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { promisify } from 'node:util';
import { until } from '../../queue/until.js';
import { askNats, natsArguments, natsServer } from '../../setup/nats-server.mjs';
import { diesWithThisProcess, freePort, temporaryFolder, untilAnswered } from '../../setup/private-server.mjs';
import { programOf } from '../../setup/program-of.js';
import { askRabbitmq, prepareRabbitmq, rabbitmqServer } from '../../setup/rabbitmq-server.mjs';

interface ServerPlan {
  url: string;
  program: string;
  args: string[];
  env?: NodeJS.ProcessEnv;
  ask: (url: string) => Promise<unknown>;
  ended?: () => Promise<void>;
}

/** A server of one suite, which may kill it and start it again on the same port and data. */
export class RestartableServer {
  #child: ChildProcess | undefined;

  private constructor(
    private readonly plan: ServerPlan,
    private readonly folder: string,
  ) {}

  static async rabbitmq(): Promise<RestartableServer> {
    const folder = temporaryFolder();
    const { stopNames: ended, ...node } = await prepareRabbitmq(await programOf(rabbitmqServer), folder);
    return RestartableServer.#started(new RestartableServer({ ...node, args: [], ask: askRabbitmq, ended }, folder));
  }

  static async nats(): Promise<RestartableServer> {
    const port = await freePort();
    const program = await programOf(natsServer);
    const plan = { url: `nats://127.0.0.1:${port}`, program, args: natsArguments(port), ask: askNats };
    return RestartableServer.#started(new RestartableServer(plan, temporaryFolder()));
  }

  static async #started(server: RestartableServer): Promise<RestartableServer> {
    try {
      await server.start();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  get url(): string {
    return this.plan.url;
  }

  /** Resolves when it answers. */
  async start(): Promise<void> {
    const { url, program, args, env, ask } = this.plan;
    const [command, commandArgs] = diesWithThisProcess(program, args);
    const child = spawn(command, commandArgs, { env: env ?? process.env, stdio: 'ignore' });
    this.#child = child;
    const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`${program} ended with ${code}`)));
    ended.catch(() => undefined);
    await Promise.race([untilAnswered(() => ask(url)), ended]);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  /** Stops it in the middle of whatever it does, until `resume`: connections stay open and nothing is answered. */
  async pause(): Promise<void> {
    this.#child?.kill('SIGSTOP');
    const stateOf = () => promisify(execFile)('ps', ['-o', 'stat=', '-p', String(this.#child?.pid)]);
    await until('it stands still', async () => (await stateOf()).stdout.startsWith('T'));
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  /** Leaves nothing behind. */
  async stop(): Promise<void> {
    await this.kill();
    await this.plan.ended?.();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

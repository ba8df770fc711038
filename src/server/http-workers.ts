import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import {
  CallChannel,
  channelFd,
  type LeftCall,
  type WorkerAnswer,
  type WorkerCall,
} from '../http-worker/call-channel.js';
import type { WorkerOptions, WorkerOrder, WorkerReport } from '../http-worker/worker-orders.js';
import type { Logger } from '../runtime/logger.js';
import type { WorkerCalls } from './worker-calls.js';

/** How soon a worker that ended by itself is replaced. */
const replaceAfterMs = 200;
/** A worker listens within this time, or it is ended. */
const startMsMax = 30_000;

export interface HttpWorkersParts {
  calls: WorkerCalls;
  /** Takes over the connections on which WebSockets are opened. */
  server: Server;
  /** So many requests were refused without the broker's doing. */
  onRefused: (count: number) => void;
  logger: Logger;
}

/**
 * Processes that listen for HTTP in place of the broker's own: they share its address, read requests, and have the broker
 * answer them. One that ends is replaced; the calls that it had in hand go on without anybody who waits for their answers.
 */
export class HttpWorkers {
  readonly #workers = new Set<Worker>();
  readonly #replacements = new Set<NodeJS.Timeout>();
  #closing = false;

  private constructor(
    private readonly options: WorkerOptions,
    private readonly parts: HttpWorkersParts,
  ) {}

  /** Resolves when all of them listen; rejects with the reason why one cannot, and then none is left. */
  static async listen(count: number, options: WorkerOptions, parts: HttpWorkersParts): Promise<HttpWorkers> {
    if (!cluster.isPrimary)
      throw new Error('HALFBOX_WORKERS: a process of a cluster can have no HTTP workers of its own');
    const workers = new HttpWorkers(options, parts);
    try {
      await Promise.all(Array.from({ length: count }, () => workers.#fork()));
    } catch (error) {
      await workers.close();
      throw error;
    }
    return workers;
  }

  /** They take no more connections, answer what is in hand, and end. */
  async close(): Promise<void> {
    this.#closing = true;
    for (const timer of this.#replacements) clearTimeout(timer);
    await Promise.all(
      [...this.#workers].map(async (worker) => {
        const ended = once(worker, 'exit');
        order(worker, { close: true });
        await ended;
      }),
    );
  }

  /** Ends those that have not. */
  kill(): void {
    for (const worker of this.#workers) worker.process.kill('SIGKILL');
  }

  #fork(): Promise<void> {
    const worker = fork();
    this.#workers.add(worker);
    const channel: CallChannel<WorkerAnswer, WorkerCall | LeftCall> = new CallChannel(
      worker.process.stdio[channelFd] as Duplex,
      (item: WorkerCall | LeftCall) => calls.received(item),
    );
    const calls = this.parts.calls.of(channel);
    const tooLate = setTimeout(() => worker.process.kill('SIGKILL'), startMsMax);
    return new Promise<void>((resolve, reject) => {
      worker.on('message', (report: WorkerReport, connection?: Socket) => {
        if ('started' in report) order(worker, this.#closing ? { close: true } : { listen: this.options });
        else if ('listening' in report) resolve();
        else if ('failed' in report)
          reject(Object.assign(new Error(report.failed.message), { code: report.failed.code }));
        else if ('refused' in report) this.parts.onRefused(report.refused);
        else if (connection) this.#takeOver(connection, Buffer.from(report.upgrade, 'base64'));
      });
      worker.once('exit', (code, signal) => {
        this.#workers.delete(worker);
        channel.close();
        calls.end();
        reject(new Error(`an HTTP worker ended with ${code ?? signal}`));
        if (!this.#closing) this.#replace(code ?? signal);
      });
    }).finally(() => clearTimeout(tooLate));
  }

  #replace(endedWith: number | string): void {
    this.parts.logger.error({ endedWith }, 'an HTTP worker ended; another one takes its place');
    const timer = setTimeout(() => {
      this.#replacements.delete(timer);
      // One that cannot listen ends, and is replaced like any other.
      this.#fork().catch((error: unknown) => this.parts.logger.error({ err: error }, 'an HTTP worker does not listen'));
    }, replaceAfterMs);
    this.#replacements.add(timer);
  }

  #takeOver(connection: Socket, read: Buffer): void {
    connection.unshift(read);
    this.parts.server.emit('connection', connection);
  }
}

/** A worker with nothing of this process's environment: it needs no settings, and no secret. */
function fork(): Worker {
  const { exec, args, execArgv, stdio, ...rest } = cluster.settings;
  const own = { exec: fileURLToPath(new URL('../http-worker/main.js', import.meta.url)), args: [] };
  // They accept by themselves. Were connections handed to them, one on its way to a worker that dies would hang.
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  cluster.setupPrimary({ ...own, execArgv: process.execArgv, stdio: ['ignore', 'inherit', 'inherit', 'ipc', 'pipe'] });
  try {
    return cluster.fork(Object.fromEntries(Object.keys(process.env).map((name) => [name, undefined])));
  } finally {
    // An application's own cluster is forked as before.
    if (exec !== undefined) cluster.setupPrimary({ ...rest, exec, args, execArgv, stdio });
  }
}

function order(worker: Worker, what: WorkerOrder): void {
  if (worker.isConnected()) worker.send(what);
}

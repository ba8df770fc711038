// @ts-check
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { findProgram } from './machine.mjs';

const startMsMax = 60_000;
const pollMs = 50;

/** Servers that run now, with their folders: killed at the latest when this process ends. */
const running = new Map();
process.once('exit', () => {
  for (const [child, folder] of running) {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
});

/** A folder for one server's data. */
export function temporaryFolder() {
  return mkdtempSync(join(tmpdir(), 'halfbox-test-'));
}

/** @returns {Promise<number>} */
export async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (probe.address());
  probe.close();
  await once(probe, 'close');
  return port;
}

/**
 * The command that runs a program and has the kernel kill it when this process ends, however it ends. Without
 * `setpriv` (not Linux) it is the program as it is.
 * @param {string} program
 * @param {string[]} args
 * @returns {[command: string, args: string[]]}
 */
export function diesWithThisProcess(program, args) {
  const setpriv = findProgram(['setpriv']);
  return setpriv === null ? [program, args] : [setpriv, ['--pdeathsig', 'KILL', program, ...args]];
}

/**
 * Starts a server and waits until it answers. Its data is thrown away, so it is stopped by SIGKILL.
 * @param {string} program
 * @param {string[]} args
 * @param {string} folder Deleted when the server is stopped.
 * @param {() => Promise<unknown>} ask Rejects while the server does not answer.
 * @param {NodeJS.ProcessEnv} [env]
 */
export async function startPrivateServer(program, args, folder, ask, env = process.env) {
  const log = join(folder, 'server.log');
  const logFile = openSync(log, 'w');
  const [command, commandArgs] = diesWithThisProcess(program, args);
  const child = spawn(command, commandArgs, { env, stdio: ['ignore', logFile, logFile] });
  closeSync(logFile);
  running.set(child, folder);
  /** @type {Promise<never>} */
  const ended = new Promise((_resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      reject(new Error(`${program} ended with ${code ?? signal}: ${readFileSync(log, 'utf8').trim().slice(-2000)}`));
    });
  });
  const stop = async () => {
    const exited = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined;
    child.kill('SIGKILL');
    await exited;
    running.delete(child);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await Promise.race([untilAnswered(ask), ended]);
  } catch (error) {
    await stop();
    throw error;
  } finally {
    ended.catch(() => undefined);
  }
  return stop;
}

/**
 * Asks until the server answers; the last error when it does not within a minute.
 * @param {() => Promise<unknown>} ask
 */
export async function untilAnswered(ask) {
  const deadline = Date.now() + startMsMax;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await delay(pollMs);
  }
}

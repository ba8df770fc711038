import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';

const waitMsMax = 30_000;

/** A process of the example. What it prints can be waited for, and is shown after its name; of a `quiet` one only errors are. */
export class Child {
  #name;
  #quiet;
  #process;
  #lines = [];
  #waiting = new Set();

  constructor(name, file, args, env, { quiet = false } = {}) {
    this.#name = name;
    this.#quiet = quiet;
    // Settings of the person's own broker do not belong in here.
    const inherited = Object.entries(process.env).filter(([variable]) => !variable.startsWith('HALFBOX_'));
    this.#process = spawn(process.execPath, [file, ...args], {
      env: { ...Object.fromEntries(inherited), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    createInterface({ input: this.#process.stdout }).on('line', (line) => this.#take(line));
    createInterface({ input: this.#process.stderr }).on('line', (line) => this.#show(line));
    this.#process.once('exit', () => this.#waiting.forEach(({ fail }) => fail(`${name} ended`)));
  }

  /** Everything it has printed so far. */
  get lines() {
    return [...this.#lines];
  }

  /** Resolves with the first line, past ones included, that holds `text`. Rejects when the process ends or after 30 s. */
  line(text) {
    const past = this.#lines.find((line) => line.includes(text));
    if (past !== undefined) return Promise.resolve(past);
    return new Promise((resolve, reject) => {
      const fail = (reason) => reject(new Error(`${reason}; waited for "${text}"`));
      const timer = setTimeout(() => fail(`${this.#name} said nothing for ${waitMsMax / 1000} s`), waitMsMax);
      const done = (line) => {
        clearTimeout(timer);
        resolve(line);
      };
      this.#waiting.add({ text, done, fail });
    });
  }

  /** Stops it, by default as a person would with Ctrl-C, and waits for its end. */
  async end(signal = 'SIGINT') {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, 'exit');
    this.#process.kill(signal);
    await exited;
  }

  /** Kills it without a word. */
  kill() {
    return this.end('SIGKILL');
  }

  #take(line) {
    this.#lines.push(line);
    if (!this.#quiet) this.#show(line);
    for (const wait of this.#waiting) {
      if (!line.includes(wait.text)) continue;
      this.#waiting.delete(wait);
      wait.done(line);
    }
  }

  #show(line) {
    if (line !== 'ready') console.log(`    [${this.#name}] ${line}`);
  }
}

/** A port of this machine that nobody listens on. */
export async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}

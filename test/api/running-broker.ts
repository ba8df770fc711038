import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SERVICES, type Services } from '../../src/api/services.js';
import { completeSettings, type SettingOptions } from '../../src/config/settings.js';
import { silentLogger, type Logger } from '../../src/runtime/logger.js';
import { startNode, type RunningNode } from '../../src/server/node.js';
import { assertDocumented } from './documented.js';

/** An answer: its status, headers and body; the body is parsed where it is JSON. */
export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  // The contract's shapes are checked by the assertions of each test.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  body: any;
}

/** A whole broker in this process, on SQLite and memory, listening on a free port. */
export class RunningBroker {
  #stopped = false;

  private constructor(
    readonly node: RunningNode,
    private readonly folder: string,
  ) {}

  static async start(options: SettingOptions = {}, logger: Logger = silentLogger): Promise<RunningBroker> {
    const folder = mkdtempSync(join(tmpdir(), 'halfbox-api-'));
    const storeUrl = `sqlite:${join(folder, 'halfbox.db')}`;
    return new RunningBroker(
      await startNode(completeSettings({ storeUrl, port: 0, ...options }), logger, 'test'),
      folder,
    );
  }

  /** What the controllers work on, for what no call shows. */
  get services(): Services {
    return this.node.http.app.get<Services>(SERVICES);
  }

  get url(): string {
    return this.node.url;
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    await this.node.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Sends bytes as they are. Fails where the answer is not as the contract describes it. */
  async raw(method: string, path: string, init: RequestInit = {}): Promise<Answer> {
    const response = await fetch(this.url + path, { method, redirect: 'manual', ...init });
    const text = await response.text();
    const isJson = (response.headers.get('content-type') ?? '').includes('json') && text !== '';
    const body: unknown = isJson ? JSON.parse(text) : undefined;
    const answer = { status: response.status, headers: response.headers, text, body };
    if (method !== 'HEAD') assertDocumented(method, path, answer);
    return answer;
  }

  call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    if (body === undefined) return this.raw(method, path, { headers });
    return this.raw(method, path, {
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
  }

  get(path: string): Promise<Answer> {
    return this.call('GET', path);
  }

  post(path: string, body?: unknown): Promise<Answer> {
    return this.call('POST', path, body);
  }

  put(path: string, body?: unknown): Promise<Answer> {
    return this.call('PUT', path, body);
  }

  remove(path: string): Promise<Answer> {
    return this.call('DELETE', path);
  }
}

import type { Agent } from 'undici';
import { nodeHeader } from './caller.js';

/** What another node answered. */
export interface NodeAnswer {
  status: number;
  contentType: string;
  retryAfter: string | undefined;
  text: string;
}

const connections: Agent.Options = {
  connections: 64,
  pipelining: 1,
  connect: { timeout: 1_000 },
  keepAliveTimeout: 4_000,
};

/** Added to the time that the call itself may wait. */
const answerMs = 10_000;

/** The path at the node, whatever host the path itself may name: callers choose it, and the node secret goes along. */
function targetOf(nodeUrl: string, path: string): URL {
  const target = new URL(nodeUrl);
  ({ pathname: target.pathname, search: target.search } = new URL(path, nodeUrl));
  return target;
}

/** Calls other nodes of the same store, with its secret. */
export class NodeClient {
  #agent: Agent | undefined;

  constructor(private readonly secret: string) {}

  /**
   * Posts a body to a path of another node. Throws when no answer comes.
   * @param waitMs how long the call may wait over there
   */
  async post(url: string, path: string, body: unknown, waitMs = 0, signal?: AbortSignal): Promise<NodeAnswer> {
    // Loaded by the first call: a node that is alone never makes one.
    const { Agent, request } = await import('undici');
    this.#agent ??= new Agent(connections);
    const response = await request(targetOf(url, path), {
      dispatcher: this.#agent,
      method: 'POST',
      headers: { 'content-type': 'application/json', [nodeHeader]: this.secret },
      body: JSON.stringify(body ?? {}),
      headersTimeout: waitMs + answerMs,
      bodyTimeout: answerMs,
      signal,
    });
    const { 'content-type': contentType, 'retry-after': retryAfter } = response.headers;
    return {
      status: response.statusCode,
      contentType: String(contentType ?? 'application/json'),
      retryAfter: retryAfter === undefined ? undefined : String(retryAfter),
      text: await response.body.text(),
    };
  }

  /** Ends its connections. */
  async close(): Promise<void> {
    await this.#agent?.destroy();
  }
}

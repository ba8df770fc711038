import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { NodeClient } from '../../src/api/node-client.js';

interface Heard {
  url: string | undefined;
  headers: IncomingHttpHeaders;
}

describe('calls to other nodes', () => {
  const client = new NodeClient('node-secret');
  const servers: Server[] = [];

  async function listen(): Promise<{ url: string; heard: Heard[] }> {
    const heard: Heard[] = [];
    const server = createServer(({ url, headers }, response) => {
      heard.push({ url, headers });
      response.end('{}');
    }).listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, heard };
  }

  afterAll(async () => {
    await client.close();
    for (const server of servers) server.close();
  });

  // A request target may be a whole URL (RFC 9112 §3.2.2), or begin with two slashes: neither chooses the host.
  it.each([
    ['a whole URL', (url: string) => `${url}/v1/receive?a=b`, '/v1/receive?a=b'],
    ['two slashes', (url: string) => `//${new URL(url).host}/v1/receive`, '/v1/receive'],
  ])('the secret goes to the node only: %s as the path', async (_, pathOf, expected) => {
    const [node, stranger] = [await listen(), await listen()];
    await client.post(node.url, pathOf(stranger.url), {});
    expect(stranger.heard).toEqual([]);
    expect(node.heard).toMatchObject([{ url: expected, headers: { 'halfbox-node': 'node-secret' } }]);
  });
});

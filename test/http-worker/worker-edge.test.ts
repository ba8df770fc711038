import { once } from 'node:events';
import { createServer, request, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Admitted } from '../../src/api/admission.js';
import type { LeftCall, WorkerCall } from '../../src/http-worker/call-channel.js';
import { WorkerEdge } from '../../src/http-worker/worker-edge.js';
import { Problem } from '../../src/message/problem.js';
import { Events } from '../../src/runtime/events.js';

/** The worker's side, without the broker: what it would be sent, and what it would answer. */
describe('a worker that reads requests', () => {
  const sent = new Events<{ item: WorkerCall | LeftCall }>();
  const items: (WorkerCall | LeftCall)[] = [];
  const edge = new WorkerEdge(
    {
      send: (item) => {
        items.push(item);
        sent.emit('item', item);
      },
    },
    { knows: ({ authorization }) => authorization === 'known' },
    { paths: new Set(['/v1/messages']), admission: { take: (bytes) => take(bytes) } },
  );
  const admitted = { begin: () => {}, answered: () => {}, left: () => {} };
  let take: (bytes: number | undefined) => Admitted = () => admitted;
  const server = createServer(edge.serve);
  const next = async (): Promise<WorkerCall | LeftCall> => {
    if (items.length === 0) await new Promise<void>((resolve) => sent.on('item', () => resolve()));
    return items.shift()!;
  };
  const beginUnended = (method: string, path: string, headers: Record<string, string>) => {
    const { port } = server.address() as AddressInfo;
    const calling = request({ host: '127.0.0.1', port, method, path, headers });
    calling.on('error', () => {});
    return calling;
  };
  const begin = (method: string, path: string, headers: Record<string, string>, body?: string) =>
    beginUnended(method, path, headers).end(body);

  beforeAll(() => once(server.listen(0, '127.0.0.1'), 'listening'));
  afterAll(() => server.close());

  it('sends a request as it came, and writes the answer', async () => {
    const calling = begin('PUT', '/v1//x/%2e%2e?a=é'.replace('é', '%C3%A9'), { authorization: 'known' }, '{"a":"é"}');
    const [id, method, url, headers, body] = (await next()) as WorkerCall;
    expect([method, url, Buffer.from(body!).toString()]).toEqual(['PUT', '/v1//x/%2e%2e?a=%C3%A9', '{"a":"é"}']);
    expect(headers).toMatchObject({ authorization: 'known', 'content-length': '10' });
    edge.answered([id, 418, { 'x-answer': 'a' }, '{"b":"é"}']);
    const [answer] = (await once(calling, 'response')) as [IncomingMessage];
    expect([answer.statusCode, answer.headers['x-answer'], answer.headers['content-length']]).toEqual([418, 'a', '10']);
    expect((await answer.setEncoding('utf8').toArray()).join('')).toBe('{"b":"é"}');
  });

  it('sends no body of a caller that is not known', async () => {
    begin('POST', '/v1/messages', {}, '{"topic":"orders"}');
    const [id, , , headers, body] = (await next()) as WorkerCall;
    expect([body, headers['content-length']]).toEqual([null, '18']);
    edge.answered([id, 401, {}, '']);
  });

  it('tells that a caller has gone before its answer came, and then writes none', async () => {
    const calling = begin('POST', '/v1/subscriptions/orders/billing/receive', { authorization: 'known' }, '{}');
    const [id] = await next();
    calling.destroy();
    expect(await next()).toEqual([id]);
    edge.answered([id, 200, {}, '{"deliveries":[]}']);
    expect(items).toEqual([]);
  });

  it('reads nothing of new work that is not taken, and tells when what was taken is answered', async () => {
    take = (bytes) => {
      throw new Problem('overloaded', `${bytes} bytes more`, { retryAfterMs: 1_500 });
    };
    const refused = beginUnended('POST', '/v1/messages', { authorization: 'known', 'content-length': '100' });
    refused.flushHeaders();
    const [answer] = (await once(refused, 'response')) as [IncomingMessage];
    expect([answer.statusCode, answer.headers['retry-after']]).toEqual([429, '2']);
    expect(JSON.parse((await answer.setEncoding('utf8').toArray()).join(''))).toMatchObject({
      detail: '100 bytes more',
    });
    refused.destroy();
    // What ends work is no new work.
    begin('POST', '/v1/transactions/a/commit', { authorization: 'known' }, '{}');
    const [commit] = (await next()) as WorkerCall;
    edge.answered([commit, 200, {}, '']);
    const told: string[] = [];
    take = () => ({
      ...{ begin: () => told.push('begin'), answered: () => told.push('answered'), left: () => told.push('left') },
    });
    const taken = begin('POST', '/v1/messages', { authorization: 'known' }, '{}');
    const [id] = (await next()) as WorkerCall;
    expect(told).toEqual(['begin']);
    edge.answered([id, 201, {}, '{}']);
    expect(told).toEqual(['begin', 'answered']);
    const [done] = (await once(taken, 'response')) as [IncomingMessage];
    expect(done.statusCode).toBe(201);
    take = () => admitted;
  });

  it('tells nothing of a request that never came whole', async () => {
    const calling = begin('GET', '/first', {});
    const [first] = (await next()) as WorkerCall;
    edge.answered([first, 200, {}, '']);
    await once(calling, 'response');
    const reading = once(server, 'request') as Promise<[IncomingMessage]>;
    const half = beginUnended('POST', '/v1/messages', { authorization: 'known', 'content-length': '100' });
    half.write('{');
    const [request] = await reading;
    const closed = new Promise((resolve) => request.once('close', resolve));
    half.destroy();
    await closed;
    begin('GET', '/second', {});
    const [second, , url] = (await next()) as WorkerCall;
    expect(url).toBe('/second');
    edge.answered([second, 200, {}, '']);
  });
});

import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { until } from '../queue/until.js';
import { RunningBroker } from './running-broker.js';

/** What is in hand when a broker is asked to stop. */
describe('a broker that stops', () => {
  it('finishes a request whose body is still on its way', async () => {
    const broker = await RunningBroker.start();
    const headers = { 'content-type': 'application/json', 'transfer-encoding': 'chunked' };
    const sending = request(`${broker.url}/v1/messages`, { method: 'POST', headers });
    const answered = once(sending, 'response');
    sending.write('{"topic":"orders",');
    const { admission } = broker.services;
    await until('the request in hand', () => admission.requests === 1);
    const stopped = broker.stop();
    const isRefused = (): Promise<boolean> =>
      fetch(`${broker.url}/health/live`).then(
        () => false,
        () => true,
      );
    await until('no more connections', isRefused);
    sending.end('"body":1}');
    const [answer] = (await answered) as [IncomingMessage];
    answer.resume();
    expect(answer.statusCode).toBe(201);
    await stopped;
  });
});

import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { TransportSettings } from '../../../src/config/microservices.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { NamedTransport } from '../../../src/server/microservices/named-transport.js';
import { until } from '../../queue/until.js';

/** Ends of connections that this process has open. */
const openEnds = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;

describe('a named transport whose peer hangs', () => {
  let server: Server;
  const accepted = new Set<Socket>();
  const before = openEnds();

  beforeEach(async () => {
    // It takes connections and bytes, answers nothing, and never ends anything.
    server = createServer({ allowHalfOpen: true }, (socket) => {
      accepted.add(socket);
      socket.resume().on('error', () => {});
      socket.on('close', () => accepted.delete(socket));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });

  afterEach(async () => {
    for (const socket of accepted) socket.destroy();
    server.close();
    await once(server, 'close');
  });

  /** At the peer. */
  const transportOver = (transport: TransportSettings['transport']): NamedTransport => {
    const { port } = server.address() as AddressInfo;
    const optionsOf: Partial<Record<typeof transport, Record<string, unknown>>> = {
      rmq: { urls: [`amqp://127.0.0.1:${port}`], queue: 'q' },
    };
    const options = optionsOf[transport] ?? { host: '127.0.0.1', port };
    return new NamedTransport('bus', { transport, options }, silentLogger);
  };
  const ask = (bus: NamedTransport) => bus.ask('orders', {}, 300, new AbortController().signal);
  // The ends of the peer stay.
  const allEnded = () => until('the end of every connection', () => openEnds() - accepted.size <= before);

  it.each<TransportSettings['transport']>(['tcp', 'redis', 'rmq'])(
    'over %s leaves no connection behind, neither by its tries nor when it is closed',
    async (transport) => {
      const bus = transportOver(transport);
      for (let tries = 0; tries < 3; tries += 1) {
        await expect(ask(bus)).rejects.toMatchObject({ name: 'MicroserviceFailure' });
        const message = { id: 'm', topic: 't', group: 'g', attempt: 1, partitionKey: 'k', data: {} };
        await bus.emit('orders', message, 300).catch(() => undefined);
      }
      await bus.close();
      await allEnded();
      expect(accepted.size).toBeGreaterThan(0);
    },
  );

  it.each<TransportSettings['transport']>(['tcp', 'redis', 'rmq'])(
    'over %s leaves no connection behind that was being made when it was closed',
    async (transport) => {
      const bus = transportOver(transport);
      const asked = ask(bus).catch(() => undefined);
      await bus.close();
      await asked;
      // What was begun before the end goes on in later turns.
      for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      await allEnded();
    },
  );
});

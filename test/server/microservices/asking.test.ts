import { Transport } from '@nestjs/microservices';
import { freePort } from '../../setup/private-server.mjs';
import { asksOver } from './asking.js';

describe('asking over TCP', () => {
  asksOver(async () => {
    const address = { host: '127.0.0.1', port: await freePort() };
    return {
      transport: { transport: 'tcp', options: address },
      service: { transport: Transport.TCP, options: address },
      withoutHandler: 'unreachable',
      withoutService: 'unreachable',
    };
  });
});

describe('asking over Redis', () => {
  asksOver(() => {
    const { hostname, port } = new URL(process.env.HALFBOX_TEST_REDIS_URL!);
    const address = { host: hostname, port: Number(port) };
    return Promise.resolve({
      transport: { transport: 'redis', options: address },
      service: { transport: Transport.REDIS, options: address },
      withoutHandler: 'timeout',
      withoutService: 'timeout',
    });
  });
});

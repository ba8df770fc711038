import webSocketPlugin from '@fastify/websocket';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '../message/problem.js';
import { requireOwnProducer } from './caller.js';
import { openStream } from './endpoints/streams.js';
import { problemOf, sendProblem } from './refusal.js';
import type { Services } from './services.js';
import { upgradesOf } from './upgrades.js';

/**
 * Serves the streams over which producers are asked. A refusal comes before the upgrade, as a problem like that of every
 * other call.
 */
export async function addStreamRoute(
  server: FastifyInstance,
  services: Pick<Services, 'streams' | 'producers' | 'logger'>,
): Promise<void> {
  const { streams, producers, logger } = services;
  // In a scope of its own: the plugin adds hooks and a wrapper to every route of its scope.
  await server.register(async (scope) => {
    await scope.register(webSocketPlugin, {
      options: {
        server: upgradesOf(server.server, openStream.spec.path),
        maxPayload: streams.settings.answerBytesMax,
        perMessageDeflate: false,
      },
      // The stream listens for errors of its socket itself.
      errorHandler: (error) => logger.debug({ err: error }, 'a stream of a producer broke'),
      preClose: (done) => {
        streams.closeAll();
        scope.websocketServer.close();
        done();
      },
    });
    // A refusal that comes before the plugin's own hooks; nobody else would end the connection.
    scope.addHook('onResponse', (request, _reply, done) => {
      // Node sets it; its types don't name it.
      if ((request.raw as { upgrade?: boolean }).upgrade) request.raw.socket.end();
      done();
    });
    scope.setErrorHandler((error, _request, reply) => sendProblem(reply, problemOf(error, logger)));
    scope.route({
      method: 'GET',
      url: openStream.spec.path,
      config: { endpoint: openStream },
      exposeHeadRoute: false,
      preHandler: async (request, reply) => {
        const { producer } = openStream.read(request).params;
        requireOwnProducer(request, producer);
        requireUpgrade(request, reply);
        await producers.ensure(producer);
        streams.requireRoom(producer);
      },
      handler: (request, reply) => requireUpgrade(request, reply),
      wsHandler: (socket, request) => {
        const { params, query } = openStream.read(request);
        streams.accept(socket, { producer: params.producer, instance: query.instance });
      },
    });
  });
}

function requireUpgrade(request: FastifyRequest, reply: FastifyReply): void {
  if (request.ws) return;
  // The header is this one's alone: where the connection ends, nobody else says so.
  const closes = /\bclose\b/i.test(request.headers.connection ?? '');
  reply.header('upgrade', 'websocket').header('connection', closes ? 'upgrade, close' : 'upgrade');
  throw new Problem('upgrade-required', 'this is a WebSocket: connect with upgrade: websocket');
}

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
    scope.addHook('onSend', (request, reply, _payload, done) => {
      // What was offered an upgrade carries no further request.
      const isOver = offersUpgrade(request);
      if (reply.hasHeader('upgrade')) {
        // The header is this answer's alone: where the connection ends, nobody else says so.
        const closes = isOver || /\bclose\b/i.test(request.headers.connection ?? '');
        reply.header('connection', closes ? 'upgrade, close' : 'upgrade');
      } else if (isOver) reply.header('connection', 'close');
      done();
    });
    // A refusal that comes before the plugin's own hooks; nobody else would end the connection.
    scope.addHook('onResponse', (request, _reply, done) => {
      if (offersUpgrade(request)) request.raw.socket.end();
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
        requireHandshake(request, reply);
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

/** Whether Node has handed the connection over, also where the plugin's own hooks have not yet said so. */
function offersUpgrade({ raw }: FastifyRequest): boolean {
  // Node sets it; its types don't name it.
  return (raw as { upgrade?: boolean }).upgrade === true;
}

function requireUpgrade(request: FastifyRequest, reply: FastifyReply): void {
  if (!request.ws) throw offered(reply, 'this is a WebSocket: connect with upgrade: websocket');
}

/** Sixteen bytes in base64. */
const keyPattern = /^[+/0-9A-Za-z]{22}==$/;

/** RFC 6455, sections 4.2.1 and 4.4. What `ws` would refuse in words of its own is refused like everything else. */
function requireHandshake(request: FastifyRequest, reply: FastifyReply): void {
  const { headers } = request.raw;
  if (headers['sec-websocket-version'] !== '13') {
    reply.header('sec-websocket-version', '13');
    throw offered(reply, 'connect with sec-websocket-version: 13');
  }
  if (!keyPattern.test(headers['sec-websocket-key'] ?? '')) {
    const reason = 'must be 16 bytes in base64';
    const fields = [{ path: 'sec-websocket-key', reason }];
    throw new Problem('validation-failed', `sec-websocket-key: ${reason}`, { fields });
  }
  // No subprotocol is spoken: an offer of some is passed over (section 4.2.2), also a malformed one.
  delete headers['sec-websocket-protocol'];
}

/** The refusal of a request without the upgrade that is served here (RFC 9110, section 15.5.22). */
function offered(reply: FastifyReply, detail: string): Problem {
  reply.header('upgrade', 'websocket');
  return new Problem('upgrade-required', detail);
}

import { EventEmitter } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** Headers that offer another protocol. */
const offers = new Set(['upgrade', 'connection', 'http2-settings']);

/**
 * Upgrade requests for WebSockets at this path, as the event `upgrade` of what is answered. As soon as anybody listens
 * for upgrades, Node hands over every request that offers one as a bare connection, also the offer of HTTP/2 that some
 * clients make with every request: all others are given back, to be answered as requests without an offer.
 */
export function upgradesOf(server: Server, path: string): Server {
  const pattern = new RegExp(`^${path.replace(/:[a-z]+/gi, '[^/]+')}$`);
  const wanted = new EventEmitter();
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const isWebSocket = request.headers.upgrade?.toLowerCase() === 'websocket';
    if (isWebSocket && pattern.test(request.url?.split('?', 1)[0] ?? '')) wanted.emit('upgrade', request, socket, head);
    else giveBack(server, request, socket, head);
  });
  // The plugin only listens to it.
  return wanted as Server;
}

/** The answer that a connection is being given, as Node keeps it. */
export type Answered = Duplex & { _httpMessage?: ServerResponse | null };

/**
 * Calls `then` when what came before on the connection is answered: Node would never send an answer that is made after the
 * connection was given to somebody else. Not where it has ended.
 */
export function afterAnswers(socket: Answered, then: () => void): void {
  if (socket.destroyed) return;
  const unanswered = socket._httpMessage;
  if (!unanswered) return then();
  const onError = () => socket.destroy();
  socket.on('error', onError);
  unanswered.once('close', () => {
    socket.off('error', onError);
    afterAnswers(socket, then);
  });
}

function giveBack(server: Server, request: IncomingMessage, socket: Answered, head: Buffer): void {
  afterAnswers(socket, () => {
    socket.unshift(Buffer.concat([Buffer.from(withoutOffer(request), 'latin1'), head]));
    server.emit('connection', socket);
  });
}

function withoutOffer(request: IncomingMessage): string {
  const closes = /\bclose\b/i.test(request.headers.connection ?? '');
  return written(request, (name) => !offers.has(name.toLowerCase()), closes ? 'connection: close\r\n' : '');
}

/** The head of a request as it came, for another parser. */
export function headOf(request: IncomingMessage): string {
  return written(request, () => true, '');
}

function written(
  { method, url, httpVersion, rawHeaders }: IncomingMessage,
  keeps: (name: string) => boolean,
  more: string,
): string {
  let text = `${method} ${url} HTTP/${httpVersion}\r\n`;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!;
    if (keeps(name)) text += `${name}: ${rawHeaders[index + 1]}\r\n`;
  }
  return `${text}${more}\r\n`;
}

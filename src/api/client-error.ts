import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Problem } from '../message/problem.js';
import { problemHeaders, problemJson } from './problem-json.js';

/** What cannot even be read as HTTP: there is no request to answer, only a socket. */
export function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const { line, reason } = clientErrors[error.code ?? ''] ?? notHttp;
  const { headers, body } = notACall(line, reason);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${line}\r\n${lines.join('')}\r\n${body}`);
}

/** Answers an expectation that is not met; Node answers it with a status and nothing else. */
export function refuseExpectation(_request: IncomingMessage, response: ServerResponse): void {
  const reason = 'the only expectation that is met is 100-continue';
  const { status, headers, body } = notACall('417 Expectation Failed', reason);
  response.writeHead(status, headers).end(body);
}

/** The refusal of what is not known to be a call; nothing that may follow it is read. */
function notACall(
  line: string,
  reason: string,
): { status: number; headers: Record<string, string | number>; body: string } {
  const status = Number(line.slice(0, 3));
  const problem = new Problem('validation-failed', reason, { fields: [{ path: '', reason }] });
  const body = JSON.stringify({ ...problemJson(problem), status });
  const own = { 'content-length': Buffer.byteLength(body), connection: 'close' };
  return { status, headers: { ...problemHeaders(problem), ...own }, body };
}

const notHttp = { line: '400 Bad Request', reason: 'this is not a valid HTTP request' };
const clientErrors: Record<string, typeof notHttp> = {
  HPE_HEADER_OVERFLOW: { line: '431 Request Header Fields Too Large', reason: 'the headers are too large' },
  ERR_HTTP_REQUEST_TIMEOUT: { line: '408 Request Timeout', reason: 'the request did not arrive in time' },
};

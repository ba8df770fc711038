import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Answerer, Question } from './answerer.js';
import { isSigned, type RequestHeaders } from './webhook-signature.js';

export interface HttpAnswersOptions {
  /** The producer's signing secret (`whsec_…`), as `PUT` of the producer answered it; several while it is being rotated. */
  secret: string | readonly string[];
  answerer: Answerer;
  /** Questions that were signed longer ago, or later than now by so much, are refused. Default 300,000. */
  toleranceMs?: number | undefined;
  /** Largest question that is read from a request. Default 32 MiB. */
  bodyBytesMax?: number | undefined;
}

/** What is to be answered to a broker over HTTP. */
export interface HttpAnswer {
  /** 200 with an answer, 401 for a request that no broker signed, 400 for one that is no question, 500 without an answer. */
  status: number;
  body: string;
}

const toleranceMsDefault = 300_000;
const bodyBytesMaxDefault = 32 * 1024 * 1024;

/**
 * Answers one check-back that came to the producer's `checkBack` URL. Nobody is answered but a broker: the request must
 * carry its signature (Standard Webhooks). Never rejects.
 * @param request its headers in lower case and its body as it came, before any parsing
 */
export async function answerHttp(
  request: { headers: RequestHeaders; body: Uint8Array | string },
  { secret, answerer, toleranceMs = toleranceMsDefault }: HttpAnswersOptions,
): Promise<HttpAnswer> {
  const body = typeof request.body === 'string' ? Buffer.from(request.body) : request.body;
  if (!isSigned(request.headers, body, [secret].flat(), toleranceMs, Date.now())) return answerOf(401, 'not signed');
  let question: Question;
  try {
    question = JSON.parse(Buffer.from(body).toString('utf8')) as Question;
  } catch {
    return answerOf(400, 'not a question');
  }
  try {
    return { status: 200, body: JSON.stringify({ resolution: await answerer.answer(question) }) };
  } catch {
    return answerOf(500, 'not answered');
  }
}

/**
 * {@link answerHttp} as a handler for `node:http`, Express or anything with its requests, at the producer's `checkBack`
 * URL. It reads the body itself: no body parser may have done so before.
 */
export function httpAnswers(options: HttpAnswersOptions): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    void handle(request, options).then(({ status, body }) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(body);
    });
  };
}

async function handle(request: IncomingMessage, options: HttpAnswersOptions): Promise<HttpAnswer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const part of request as AsyncIterable<Buffer>) {
      bytes += part.length;
      if (bytes > (options.bodyBytesMax ?? bodyBytesMaxDefault)) return answerOf(413, 'too large');
      parts.push(part);
    }
  } catch {
    return answerOf(400, 'broke off');
  }
  return answerHttp({ headers: request.headers, body: Buffer.concat(parts) }, options);
}

function answerOf(status: number, error: string): HttpAnswer {
  return { status, body: JSON.stringify({ error }) };
}

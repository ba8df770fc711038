import type { AbstractHttpAdapter } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';
import { answerHttp, type Answerer, type HttpAnswer } from '../../client/index.js';
import type { Logger } from '../../runtime/logger.js';

/** Largest question: a transaction's messages are at most 16 MiB as they are sent. */
const questionBytesMax = 32 * 1024 * 1024;

interface Asked {
  headers: Record<string, string | string[] | undefined>;
  body: unknown;
  rawBody?: Buffer;
}

export interface CheckBackRouteParts {
  answerer: Answerer;
  /** The signing secret; undefined while it is not known. */
  secret: () => string | undefined;
  /** Somebody asked with a signature that is not by this secret: it may have been rotated. */
  wrongSignature: () => void;
  logger: Logger;
}

/** Serves signed check-backs at one path of the application's own HTTP server, on Fastify or Express. */
export class CheckBackRoute {
  constructor(private readonly parts: CheckBackRouteParts) {}

  /** To be called before the application listens. */
  serve(adapter: AbstractHttpAdapter, path: string): void {
    if (adapter.getType() === 'fastify') this.#serveByFastify(adapter.getInstance<FastifyInstance>(), path);
    else this.#serveByAdapter(adapter, path);
  }

  /** In a scope of its own, whose bodies are not parsed: the signature is over the bytes. */
  #serveByFastify(server: FastifyInstance, path: string): void {
    void server.register((scope, _options, done) => {
      scope.removeAllContentTypeParsers();
      scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: questionBytesMax }, (_request, body, parsed) =>
        parsed(null, body),
      );
      scope.post(path, async ({ headers, body }, reply) => {
        const answer = await this.#answer({ headers, body: undefined, rawBody: body as Buffer });
        return reply.code(answer.status).header('content-type', 'application/json').send(answer.body);
      });
      done();
    });
  }

  #serveByAdapter(adapter: AbstractHttpAdapter, path: string): void {
    adapter.post(path, (request: Asked, response: unknown) => {
      void this.#answer(request).then(({ status, body }) => {
        adapter.setHeader(response, 'content-type', 'application/json');
        adapter.reply(response, body, status);
      });
    });
  }

  async #answer({ headers, body, rawBody }: Asked): Promise<HttpAnswer> {
    const { answerer, secret, wrongSignature, logger } = this.parts;
    const known = secret();
    if (known === undefined) return { status: 503, body: '{"error":"not registered at a broker yet"}' };
    const bytes = rawBody ?? (Buffer.isBuffer(body) ? body : undefined);
    if (!bytes) {
      logger.error({}, 'check-backs cannot be answered: create the application with { rawBody: true }');
      return { status: 500, body: '{"error":"not answered"}' };
    }
    const answer = await answerHttp({ headers, body: bytes }, { secret: known, answerer });
    if (answer.status === 401) wrongSignature();
    return answer;
  }
}

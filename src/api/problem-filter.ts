import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '../runtime/logger.js';
import { problemOf, sendProblem } from './refusal.js';
import type { RouteTable } from './route-table.js';

/** Answers everything that is thrown, by a handler or by the framework, as a problem. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(
    private readonly routes: RouteTable,
    private readonly logger: Logger,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    if (reply.sent) return;
    // The framework's own exception says that no route was found; ours are problems.
    if (error instanceof HttpException && error.getStatus() === 404) {
      const { problem, allow } = this.routes.refusal(request.method, request.url);
      if (allow.length > 0) reply.header('allow', allow.join(', '));
      sendProblem(reply, problem);
      return;
    }
    sendProblem(reply, problemOf(error, this.logger));
  }
}

import { Controller, Inject, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { askOverStream } from './endpoints/streams.js';
import { Handles } from './handles.js';
import { SERVICES, type Services } from './services.js';

/** Asks over streams of this node for other nodes. */
@Controller()
export class StreamsController {
  constructor(@Inject(SERVICES) private readonly services: Services) {}

  @Handles(askOverStream)
  ask(@Req() request: FastifyRequest) {
    const { params, body } = askOverStream.read(request);
    const { producer } = params;
    const { instance, check, timeoutMs } = body;
    const question = { ...check, producer };
    return this.services.streams.askHere({ producer, instance }, question, AbortSignal.timeout(timeoutMs));
  }
}

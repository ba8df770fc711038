import { Controller, Inject, type Type } from '@nestjs/common';
import { MessagePattern } from '@nestjs/microservices';
import type { Question } from '../../client/index.js';
import { HalfboxClientCore } from './client-core.js';
import type { WiredProducer } from './wired-producer.js';

/** Of handlers in microservices: a transport that cannot answer leaves those out that have it. */
export const checkBackExtra = 'halfboxCheckBack';

/**
 * A controller that answers the `checkBackPattern` of producers in every microservice of the application. Their options
 * may come from other providers, so its handlers are made with its instance, which NestJS reads them from.
 */
export function checkBackController(producersOf: (core: HalfboxClientCore) => WiredProducer[]): Type {
  // Without any path: it answers no HTTP requests.
  @Controller([])
  class HalfboxCheckBackController {
    constructor(@Inject(HalfboxClientCore) core: HalfboxClientCore) {
      const handlers = producersOf(core).flatMap((wired) => handlerOf(wired));
      const prototype: unknown = Object.create(HalfboxCheckBackController.prototype, Object.fromEntries(handlers));
      Object.setPrototypeOf(this, prototype as object);
    }
  }
  return HalfboxCheckBackController;
}

function handlerOf({ name, options, answerer }: WiredProducer): [string, PropertyDescriptor][] {
  const { checkBackPattern } = options;
  if (!checkBackPattern) return [];
  const answer = async (question: Question) => ({ resolution: await answerer.answer(question) });
  const handler: TypedPropertyDescriptor<typeof answer> = { value: answer, enumerable: true };
  MessagePattern(checkBackPattern.pattern, { [checkBackExtra]: true })({}, name, handler);
  return [[name, handler]];
}

import 'reflect-metadata';
import { Controller, Module, type INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern, Payload, type MicroserviceOptions } from '@nestjs/microservices';
import { NEVER, of } from 'rxjs';

/** A question as it reaches a handler. */
export interface AskedOf {
  transactionId: string;
  producer: string;
  attempt: number;
  preparedAt: string;
  askedAt: string;
  instance?: string;
  messages: { id: string; topic: string; body: unknown }[];
}

/** What the handlers of this process were asked. */
export const asked: AskedOf[] = [];

/** Answers by what a transaction's id begins with. */
@Controller()
class Checks {
  @MessagePattern('orders.check')
  check(@Payload() question: AskedOf): unknown {
    asked.push(question);
    switch (question.transactionId.split('-')[0]) {
      case 'done':
        return { resolution: 'commit' };
      case 'undone':
        return Promise.resolve({ resolution: 'rollback' });
      case 'open':
        return { resolution: 'unknown' };
      case 'several':
        return of({ resolution: 'rollback' }, { resolution: 'commit' });
      case 'bare':
        return 'commit';
      case 'silent':
        return NEVER;
      default:
        throw new Error('no such order');
    }
  }
}

@Module({ controllers: [Checks] })
class CheckingModule {}

/** A NestJS microservice of a producer, listening. */
export async function startCheckingService(options: MicroserviceOptions): Promise<INestMicroservice> {
  const service = await NestFactory.createMicroservice(CheckingModule, { ...options, logger: false });
  await service.listen();
  return service;
}

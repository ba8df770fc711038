import type { CallbackClient } from '../callback/callback-client.js';
import { HttpAsker } from '../check/http-asker.js';
import { MicroserviceAsker, type MicroserviceCaller } from '../check/microservice-asker.js';
import type { ProducerAsker } from '../check/producer-asker.js';
import type { Clock } from '../message/clock.js';

/** The ways to ask that a producer's row names. Each ask is bounded by `timeoutMs`. */
export function namedAskers(
  client: CallbackClient,
  caller: MicroserviceCaller,
  clock: Clock,
  timeoutMs: number,
): ProducerAsker[] {
  return [new HttpAsker(client, clock, timeoutMs), new MicroserviceAsker(caller, timeoutMs)];
}

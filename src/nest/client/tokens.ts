import { Inject, type InjectionToken } from '@nestjs/common';

/** The token of a producer of this application; without a name of the one of `HalfboxClientModule.forRoot`. */
export function getProducerToken(name?: string): InjectionToken {
  return name === undefined ? 'HalfboxProducer' : `HalfboxProducer:${name}`;
}

/** Injects a `Producer<Topics>`: the one of `HalfboxClientModule.forRoot`, or one of `forFeature` by its name. */
export function InjectProducer(name?: string): ParameterDecorator & PropertyDecorator {
  return Inject(getProducerToken(name));
}

/** The token of a producer's outbox; without a name of the one of `HalfboxClientModule.forRoot`. */
export function getOutboxToken(name?: string): InjectionToken {
  return name === undefined ? 'HalfboxOutbox' : `HalfboxOutbox:${name}`;
}

/** Injects the `Outbox<Topics>` of a producer, where an application has several. */
export function InjectOutbox(name?: string): ParameterDecorator & PropertyDecorator {
  return Inject(getOutboxToken(name));
}

/** The token of a producer's inbox; without a name of the one of `HalfboxClientModule.forRoot`. */
export function getInboxToken(name?: string): InjectionToken {
  return name === undefined ? 'HalfboxInbox' : `HalfboxInbox:${name}`;
}

/** Injects the `Inbox` or `RedisInbox` of a producer, where an application has several. */
export function InjectInbox(name?: string): ParameterDecorator & PropertyDecorator {
  return Inject(getInboxToken(name));
}

/** The token of what answers a producer's check-backs. */
export function getAnswererToken(name?: string): InjectionToken {
  return name === undefined ? 'HalfboxAnswerer' : `HalfboxAnswerer:${name}`;
}

/** Injects the `Answerer` of a producer, for an application that is asked over a transport of its own. */
export function InjectAnswerer(name?: string): ParameterDecorator & PropertyDecorator {
  return Inject(getAnswererToken(name));
}

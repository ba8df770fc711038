import { Inject, type InjectionToken } from '@nestjs/common';

/** The token of a producer of this application; without a name of the one of `HalfboxClientModule.forRoot`. */
export function getProducerToken(name?: string): InjectionToken {
  return name === undefined ? 'HalfboxProducer' : `HalfboxProducer:${name}`;
}

/** Injects a `Producer<Topics>`: the one of `HalfboxClientModule.forRoot`, or one of `forFeature` by its name. */
export function InjectProducer(name?: string): ParameterDecorator & PropertyDecorator {
  return Inject(getProducerToken(name));
}

/** The token of what answers a producer's check-backs. */
export function getAnswererToken(name?: string): InjectionToken {
  return name === undefined ? 'HalfboxAnswerer' : `HalfboxAnswerer:${name}`;
}

/** Injects the `Answerer` of a producer, for an application that is asked over a transport of its own. */
export function InjectAnswerer(name?: string): ParameterDecorator & PropertyDecorator {
  return Inject(getAnswererToken(name));
}

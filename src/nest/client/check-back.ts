import { Injectable, SetMetadata, type InjectionToken } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import type { Answer, Answerer, Question } from '../../client/index.js';

const checkBackKey = 'halfbox:check-back';

interface CheckBackMark {
  producer: string | undefined;
}

type Handler = (question: Question) => Answer | Promise<Answer>;

/**
 * Marks the method of a provider or controller that answers a producer's check-backs: it gets the question and returns
 * `commit`, `rollback` or `unknown`. What it throws counts as not answered, and it is asked again later. For applications
 * whose database is no SQL database; with a `dataSource` it is done without. It must never answer `rollback` for a
 * transaction that may still be committed.
 * @param producer its name; without one, the producer of `HalfboxClientModule.forRoot`
 */
export function CheckBack(producer?: string): MethodDecorator {
  return SetMetadata<string, CheckBackMark>(checkBackKey, { producer });
}

/** A method that is marked by {@link CheckBack}. */
export interface CheckBackHandler {
  /** Undefined for the one of `forRoot`. */
  producer: string | undefined;
  /** For messages: `OrdersService.resolve`. */
  place: string;
  answerer: Answerer;
}

/** Finds the handlers of check-backs, and what uses a provider, in all modules of the application. */
@Injectable()
export class CheckBackExplorer {
  readonly #scanner = new MetadataScanner();

  constructor(private readonly discovery: DiscoveryService) {}

  /** @throws TypeError for a handler whose provider is made anew for each request */
  find(): CheckBackHandler[] {
    const wrappers = [...this.discovery.getProviders(), ...this.discovery.getControllers()];
    const found = new Map<unknown, CheckBackHandler[]>();
    for (const wrapper of wrappers) {
      const instance: unknown = wrapper.instance;
      if (typeof instance !== 'object' || instance === null || found.has(instance)) continue;
      const handlers = this.#of(instance as Record<string, Handler>);
      if (handlers.length > 0 && !wrapper.isDependencyTreeStatic()) {
        throw new TypeError(`${handlers[0]!.place}: @CheckBack() needs a provider that is not made for each request`);
      }
      if (handlers.length > 0) found.set(instance, handlers);
    }
    return [...found.values()].flat();
  }

  /** What the application has made of a class, in all of its modules. */
  instancesOf<Instance extends object>(type: abstract new (...args: never[]) => Instance): Instance[] {
    const instances = this.discovery.getProviders().map((wrapper): unknown => wrapper.instance);
    return [...new Set(instances.filter((instance): instance is Instance => instance instanceof type))];
  }

  /**
   * Names of what has one of these injected, by its constructor, its properties or its factory.
   * @param madeFrom what the factories of these get; providers of the application's own with such a token are not meant
   */
  usersOf(tokens: readonly InjectionToken[], madeFrom: InjectionToken): string[] {
    const wrappers = [...this.discovery.getProviders(), ...this.discovery.getControllers()];
    const users = wrappers.filter((wrapper) => {
      const properties = wrapper.getPropertiesMetadata()?.map(({ wrapper: injected }) => injected) ?? [];
      return [...(wrapper.getCtorMetadata() ?? []), ...properties].some(
        ({ token, inject }) => tokens.includes(token) && inject?.includes(madeFrom),
      );
    });
    return [...new Set(users.map(({ name }) => String(name)))];
  }

  #of(instance: Record<string, Handler>): CheckBackHandler[] {
    const prototype = Object.getPrototypeOf(instance) as object | null;
    if (!prototype) return [];
    return this.#scanner.getAllMethodNames(prototype).flatMap((name) => {
      const method = (prototype as Record<string, unknown>)[name];
      const mark = Reflect.getMetadata(checkBackKey, method as object) as CheckBackMark | undefined;
      if (!mark) return [];
      const answerer = { answer: async (question: Question) => instance[name]!(question) };
      return [{ producer: mark.producer, place: `${prototype.constructor.name}.${name}`, answerer }];
    });
  }
}

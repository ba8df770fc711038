import type { ArgumentsHost } from '@nestjs/common';
import { BaseRpcExceptionFilter } from '@nestjs/microservices';
import { RpcExceptionsHandler } from '@nestjs/microservices/exceptions/rpc-exceptions-handler.js';
import { from, isObservable, mergeMap, throwError, type Observable } from 'rxjs';
import { HalfboxContext } from './halfbox-context.js';

type Catch = (this: unknown, exception: unknown, host: ArgumentsHost, ...rest: unknown[]) => unknown;

let kept = false;

/**
 * Lets what a Halfbox handler throws reach the transport as it is. NestJS replaces every error that no filter handles by
 * `{ status: 'error', message: 'Internal server error' }`, so that a remote caller learns nothing of it. Here there is no
 * caller, and the broker must hear of `Retry` and `Reject` and keep the error's text for operators. And a filter that
 * only logs counts for NestJS as one that has handled the error where it is `async`, and the message would be
 * acknowledged; here only an observable says that. NestJS gives a transport no hook for either; only calls whose context is
 * a `HalfboxContext` go another way than before. Where an application has two copies of `@nestjs/microservices` its own
 * stays as it is: failed attempts then have NestJS's text, and `Retry` and `Reject` count as plain failures.
 */
export function keepTrueFailures(): void {
  if (kept) return;
  kept = true;
  // NestJS's public class for filters to extend: theirs call it by `super.catch`.
  replace(BaseRpcExceptionFilter.prototype, 'catch', (replaced) => {
    return function (exception, host, ...rest) {
      if (isOfHalfbox(host)) return throwError(() => exception);
      return replaced.call(this, exception, host, ...rest);
    };
  });
  replace(RpcExceptionsHandler.prototype, 'handle', (replaced) => {
    return function (exception, host, ...rest) {
      const handled = replaced.call(this, exception, host, ...rest);
      return isOfHalfbox(host) ? failedUnlessObservable(exception, handled) : handled;
    };
  });
}

function replace(prototype: object, name: string, by: (replaced: Catch) => Catch): void {
  Reflect.set(prototype, name, by(Reflect.get(prototype, name) as Catch));
}

/** Tests of filters pass whatever serves as a host. */
function isOfHalfbox(host: Partial<ArgumentsHost> | undefined): boolean {
  return host?.switchToRpc?.().getContext() instanceof HalfboxContext;
}

function failedUnlessObservable(exception: unknown, handled: unknown): Observable<unknown> {
  if (isObservable(handled)) return handled;
  const answered = from(Promise.resolve(handled));
  return answered.pipe(mergeMap((answer) => (isObservable(answer) ? answer : throwError(() => exception))));
}

import type { ArgumentsHost } from '@nestjs/common';
import { BaseRpcExceptionFilter } from '@nestjs/microservices';
import { throwError, type Observable } from 'rxjs';
import { HalfboxContext } from './halfbox-context.js';

let kept = false;

/**
 * Lets what a Halfbox handler throws reach the transport as it is. NestJS replaces every error that no filter handles by
 * `{ status: 'error', message: 'Internal server error' }`, so that a remote caller learns nothing of it. Here there is no
 * caller, and the broker must hear of `Retry` and `Reject` and keep the error's text for operators. NestJS gives a
 * transport no hook for that; only calls whose context is a `HalfboxContext` go another way than before.
 */
export function keepTrueFailures(): void {
  if (kept) return;
  kept = true;
  // `catch` is NestJS's public class for filters to extend: theirs call it by `super.catch`.
  const prototype = BaseRpcExceptionFilter.prototype as {
    catch(exception: unknown, host: ArgumentsHost): Observable<unknown>;
  };
  const replaced = Reflect.get(prototype, 'catch') as typeof prototype.catch;
  prototype.catch = function (exception, host) {
    if (host.switchToRpc().getContext() instanceof HalfboxContext) return throwError(() => exception);
    return replaced.call(this, exception, host);
  };
}

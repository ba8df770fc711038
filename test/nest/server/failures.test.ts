import {
  Catch,
  Controller,
  Injectable,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
  type ArgumentsHost,
  type CallHandler,
  type CanActivate,
  type ExceptionFilter,
  type ExecutionContext,
  type NestInterceptor,
  type PipeTransform,
} from '@nestjs/common';
import { BaseRpcExceptionFilter, EventPattern, Payload, RpcException } from '@nestjs/microservices';
import { EMPTY, finalize, lastValueFrom, map, NEVER, Observable, of, tap, throwError } from 'rxjs';
import { Reject, Retry } from '../../../src/client/index.js';
import { HalfboxContext } from '../../../src/nest/index.js';
import { until } from '../../queue/until.js';
import { Applications } from './application.js';

describe('what a NestJS handler fails with', () => {
  let applications: Applications;
  beforeAll(async () => {
    applications = await Applications.begin();
  });
  afterEach(() => applications.reset());
  afterAll(() => applications.end());

  it('whatever is thrown, however, is a failed attempt with its own text', async () => {
    const topics = ['throws', 'rejects', 'errs', 'rpc', 'text', 'object'];
    @Controller()
    class Orders {
      @EventPattern<string>('throws')
      throws(): void {
        throw new Error('thrown');
      }

      @EventPattern<string>('rejects')
      async rejects(): Promise<void> {
        await new Promise(setImmediate);
        throw new TypeError('rejected');
      }

      @EventPattern<string>('errs')
      errs(): Observable<never> {
        return throwError(() => new Error('from an observable'));
      }

      @EventPattern<string>('rpc')
      rpc(): void {
        throw new RpcException('an RpcException');
      }

      @EventPattern<string>('text')
      text(): void {
        throw 'a text';
      }

      @EventPattern<string>('object')
      object(): Observable<never> {
        return throwError(() => ({ status: 'error', why: 7 }));
      }
    }
    await applications.listening(Orders);
    const texts: Record<string, string | undefined> = {};
    for (const topic of topics) {
      const [id] = await applications.send(topic, 1);
      const { error, attempt } = await applications.untilState('retry', id!);
      expect(attempt).toBe(1);
      texts[topic] = error;
    }
    expect(texts).toEqual({
      throws: 'thrown',
      rejects: 'rejected',
      errs: 'from an observable',
      rpc: 'an RpcException',
      text: 'a text',
      object: 'threw {"status":"error","why":7}',
    });
  });

  it('Retry and Reject reach the broker', async () => {
    const attempts: number[] = [];
    @Controller()
    class Orders {
      @EventPattern<string>('asked')
      handle(@Payload() body: string): void {
        if (body === 'reject') throw new Reject('no such customer');
        attempts.push(attempts.length + 1);
        if (attempts.length < 3) throw new Retry({ afterMs: 0 });
      }
    }
    await applications.listening(Orders, { retry: { fixedMs: 3_600_000 } });
    const [retried, rejected] = await applications.send('asked', 'retry', 'reject');
    await applications.untilState('acked', retried!);
    expect(attempts).toEqual([1, 2, 3]);
    await applications.untilState('dead', rejected!);
    const { items } = (await applications.broker.get('/v1/dead-letters?topic=asked&group=g')).body;
    expect(items).toMatchObject([{ messageId: rejected, attempts: 1, error: 'no such customer' }]);
  });

  it('pipes, guards and interceptors work as everywhere, and their failures count too', async () => {
    const steps: string[] = [];
    @Injectable()
    class Doubling implements PipeTransform {
      transform(value: unknown): unknown {
        if (value instanceof HalfboxContext) return value;
        if (value === 'no number') throw new Reject('not a number');
        return Number(value) * 2;
      }
    }
    @Injectable()
    class SmallOnly implements CanActivate {
      canActivate(context: ExecutionContext): boolean {
        expect(context.getType()).toBe('rpc');
        expect(context.switchToRpc().getContext()).toBeInstanceOf(HalfboxContext);
        return Number(context.switchToRpc().getData()) !== 1_000;
      }
    }
    @Injectable()
    class Watching implements NestInterceptor {
      intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
        steps.push('before');
        return next.handle().pipe(
          tap(() => steps.push('after')),
          map((value) => {
            if (value === 6) throw new Error('the interceptor does not like 6');
            return value as unknown;
          }),
        );
      }
    }
    @Controller()
    class Numbers {
      @UsePipes(Doubling)
      @UseGuards(SmallOnly)
      @UseInterceptors(Watching)
      @EventPattern<string>('numbers', { concurrency: 1 })
      handle(@Payload() doubled: number): number {
        steps.push(`handles ${doubled}`);
        return doubled;
      }
    }
    await applications.listening(Numbers);
    const [good] = await applications.send('numbers', 2);
    await applications.untilState('acked', good!);
    expect(steps).toEqual(['before', 'handles 4', 'after']);
    const [intercepted, guarded, piped] = await applications.send('numbers', 3, 1_000, 'no number');
    expect((await applications.untilState('retry', intercepted!)).error).toBe('the interceptor does not like 6');
    expect((await applications.untilState('retry', guarded!)).error).toBe('Forbidden resource');
    expect((await applications.untilState('dead', piped!)).error).toBe('not a number');
  });

  it('exception filters: one that completes has handled it, one that fails or passes it on has not', async () => {
    class Known extends Error {}
    const caught: string[] = [];
    @Catch(Known)
    class Handling implements ExceptionFilter {
      catch(exception: Known, host: ArgumentsHost): Observable<never> {
        caught.push(`${exception.message} of ${host.switchToRpc().getContext<HalfboxContext>().topic}`);
        return EMPTY;
      }
    }
    @Catch()
    class Logging extends BaseRpcExceptionFilter {
      override catch(exception: Error, host: ArgumentsHost): Observable<unknown> {
        caught.push(exception.message);
        return super.catch(exception, host);
      }
    }
    @Catch()
    class Replacing implements ExceptionFilter {
      catch(): Observable<never> {
        return throwError(() => new Reject('replaced'));
      }
    }
    @Controller()
    class Orders {
      @UseFilters(Handling)
      @EventPattern<string>('filtered')
      handled(): void {
        throw new Known('known');
      }

      @UseFilters(Logging)
      @EventPattern<string>('passed')
      passed(): void {
        throw new Error('passed on');
      }

      @UseFilters(Replacing)
      @EventPattern<string>('replaced')
      replaced(): void {
        throw new Error('unlike this');
      }
    }
    await applications.listening(Orders);
    const [handled] = await applications.send('filtered', 1);
    const [passed] = await applications.send('passed', 1);
    const [replaced] = await applications.send('replaced', 1);
    await applications.untilState('acked', handled!);
    expect((await applications.untilState('retry', passed!)).error).toBe('passed on');
    expect((await applications.untilState('dead', replaced!)).error).toBe('replaced');
    await until('both caught', () => caught.length === 2);
    expect([...caught].sort()).toEqual(['known of filtered', 'passed on']);
  });

  it('a filter that returns no observable has not handled it, async or not', async () => {
    const caught: string[] = [];
    @Catch()
    class LoggingLater implements ExceptionFilter {
      async catch(exception: Reject): Promise<void> {
        await new Promise(setImmediate);
        caught.push(exception.reason);
      }
    }
    @Catch()
    class Logging implements ExceptionFilter {
      catch(exception: Reject): void {
        caught.push(exception.reason);
      }
    }
    @Catch()
    class HandlingLater implements ExceptionFilter {
      async catch(): Promise<Observable<never>> {
        await new Promise(setImmediate);
        return EMPTY;
      }
    }
    @Controller()
    class Orders {
      @UseFilters(LoggingLater)
      @EventPattern<string>('logged-later')
      later(): void {
        throw new Reject('logged later');
      }

      @UseFilters(Logging)
      @EventPattern<string>('logged')
      logged(): Observable<never> {
        return throwError(() => new Reject('logged'));
      }

      @UseFilters(HandlingLater)
      @EventPattern<string>('handled-later')
      handled(): void {
        throw new Error('handled later');
      }
    }
    await applications.listening(Orders);
    const [later] = await applications.send('logged-later', 1);
    const [logged] = await applications.send('logged', 1);
    const [handled] = await applications.send('handled-later', 1);
    expect((await applications.untilState('dead', later!)).error).toBe('logged later');
    expect((await applications.untilState('dead', logged!)).error).toBe('logged');
    await applications.untilState('acked', handled!);
    expect([...caught].sort()).toEqual(['logged', 'logged later']);
  });

  it('filters that are called with another context, or in a test with none, fail as NestJS has it', async () => {
    const failing = (host: unknown): Promise<unknown> =>
      lastValueFrom(new BaseRpcExceptionFilter().catch(new RpcException('as ever'), host as ArgumentsHost));
    const other = { switchToRpc: () => ({ getContext: () => ({}) }) };
    for (const host of [other, {}, undefined]) {
      await expect(failing(host)).rejects.toEqual({ status: 'error', message: 'as ever' });
    }
  });

  it('an observable that never completes is left when its time is over', async () => {
    let left = 0;
    @Controller()
    class Orders {
      @EventPattern<string>('endless', { concurrency: 1, handlerMsMax: 200, visibilityMs: 1_000, maxAttempts: 1 })
      handle(@Payload() body: string): Observable<unknown> {
        return body === 'endless' ? NEVER.pipe(finalize(() => (left += 1))) : of(1, 2);
      }
    }
    await applications.listening(Orders);
    const [endless, other] = await applications.send('endless', 'endless', 'other');
    expect((await applications.untilState('dead', endless!)).error).toContain('ran for longer than 200 ms');
    await applications.untilState('acked', other!);
    expect(left).toBe(1);
  });

  it('filters, pipes and interceptors of the whole application count as well', async () => {
    const seen: string[] = [];
    @Controller()
    class Orders {
      @EventPattern<string>('global')
      handle(@Payload() body: string): void {
        seen.push(body);
        throw new Error('handled by the global filter');
      }
    }
    await applications.listening(Orders, {}, undefined, (application) => {
      application.useGlobalPipes({ transform: (value: unknown) => (typeof value === 'string' ? `${value}!` : value) });
      application.useGlobalFilters({ catch: () => EMPTY });
      application.useGlobalInterceptors({ intercept: (_context, next) => next.handle() });
    });
    const [id] = await applications.send('global', 'x');
    await applications.untilState('acked', id!);
    expect(seen).toEqual(['x!']);
  });
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Controller, Inject, Module, Scope } from '@nestjs/common';
import { NestFactory, REQUEST } from '@nestjs/core';
import { Ctx, EventPattern, MessagePattern, Payload, Transport, type RequestContext } from '@nestjs/microservices';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Observable, of, timer } from 'rxjs';
import { completeSettings } from '../../../src/config/settings.js';
import { HalfboxBroker } from '../../../src/nest/broker/halfbox-broker.js';
import { HalfboxModule } from '../../../src/nest/broker/halfbox-module.js';
import {
  HALFBOX_TRANSPORT,
  HalfboxContext,
  HalfboxServer,
  type HalfboxHandlerOptions,
} from '../../../src/nest/index.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { startNode } from '../../../src/server/node.js';
import { freePort } from '../../setup/private-server.mjs';
import { until } from '../../queue/until.js';
import { Gate } from '../../client/consume/consuming.js';
import { Applications } from './application.js';

interface Order {
  id: number;
}

describe('HalfboxServer', () => {
  let applications: Applications;
  beforeAll(async () => {
    applications = await Applications.begin();
  });
  afterEach(() => applications.reset());
  afterAll(() => applications.end());

  it('gives the body and a typed context, and acknowledges when the promise has resolved', async () => {
    const gate = new Gate();
    const seen: unknown[] = [];
    @Controller()
    class Orders {
      @EventPattern<string>('promised')
      async handle(@Payload() order: Order, @Ctx() context: HalfboxContext): Promise<void> {
        const { topic, group, attempt, headers, key, transactionId, tag, orderingKey, messageId } = context;
        seen.push([order.id, topic, group, attempt, headers, key, transactionId, tag, orderingKey, messageId]);
        expect(context.message.body).toEqual(order);
        expect([context.signal.aborted, context.shard >= 0, context.offset >= 0]).toEqual([false, true, true]);
        await context.extend(30_000);
        await gate.opened;
      }
    }
    await applications.listening(Orders);
    const message = {
      topic: 'promised',
      key: '7',
      tag: 't',
      orderingKey: 'o',
      headers: { trace: 'x' },
      body: { id: 7 },
    };
    await applications.client.prepare({ id: 'tx-7', producer: 'shop', messages: [message] });
    const id = (await applications.client.commit('tx-7')).messages[0]!.id;
    await until('runs', () => seen.length === 1);
    expect((await applications.stateOf(id)).state).toBe('in_flight');
    gate.open();
    await applications.untilState('acked', id);
    expect(seen).toEqual([[7, 'promised', 'g', 1, { trace: 'x' }, '7', 'tx-7', 't', 'o', id]]);
  });

  it('acknowledges an observable when it has completed; bytes come as a Buffer', async () => {
    const completed: unknown[] = [];
    @Controller()
    class Orders {
      @EventPattern<string>('observed')
      handle(@Payload() body: Buffer): Observable<number> {
        return new Observable((subscriber) => {
          subscriber.next(1);
          subscriber.next(2);
          setImmediate(() => {
            completed.push(body);
            subscriber.complete();
          });
        });
      }
    }
    await applications.listening(Orders);
    const { messages } = await applications.client.send([{ topic: 'observed', bodyBase64: 'AAEC' }]);
    await applications.untilState('acked', messages[0]!.id);
    expect(completed).toEqual([Buffer.from([0, 1, 2])]);
  });

  it('handlers of one topic in different groups get it all, each with its own filter and bounds', async () => {
    const seen: Record<string, unknown[]> = { all: [], some: [] };
    let running = 0;
    let peak = 0;
    @Controller()
    class Orders {
      @EventPattern<string>('shared')
      all(@Payload() body: unknown): void {
        seen.all!.push(body);
      }

      @EventPattern<string>('shared', { group: 'some', filter: 'paid', concurrency: 2 } satisfies HalfboxHandlerOptions)
      async some(@Payload() body: unknown): Promise<void> {
        peak = Math.max(peak, (running += 1));
        await new Promise(setImmediate);
        running -= 1;
        seen.some!.push(body);
      }
    }
    await applications.listening(Orders, { maxAttempts: 5 });
    const numbers = Array.from({ length: 40 }, (_, n) => n);
    await applications.client.send(
      numbers.map((body) => ({ topic: 'shared', tag: body % 2 === 0 ? 'paid' : 'open', body })),
    );
    await until('all', () => seen.all!.length === 40 && seen.some!.length === 20);
    expect([...seen.some!].sort((a, b) => Number(a) - Number(b))).toEqual(numbers.filter((n) => n % 2 === 0));
    expect(peak).toBe(2);
    const { body } = await applications.broker.get('/v1/subscriptions/shared/some');
    expect(body).toMatchObject({ mode: 'pull', filter: 'paid', maxAttempts: 5 });
  });

  it('broadcasting: every instance gets every message, by a subscription that goes with it', async () => {
    const seen: unknown[] = [];
    @Controller()
    class Caches {
      @EventPattern<string>('changed', { broadcasting: { expiresAfterIdleMs: 1_000 }, waitMs: 300, ordered: true })
      handle(@Payload() body: unknown): void {
        seen.push(body);
      }
    }
    const { application } = await applications.listening(Caches);
    await applications.listening(Caches);
    await applications.send('changed', 'x');
    await until('both', () => seen.length === 2);
    const groups = async () =>
      (await applications.broker.get('/v1/subscriptions')).body.items
        .filter(({ topic }: { topic: string }) => topic === 'changed')
        .map(({ group }: { group: string }) => group);
    expect(await groups()).toEqual([expect.stringMatching(/^g-/), expect.stringMatching(/^g-/)]);
    await application.close();
    await until('one is left', async () => (await groups()).length === 1);
  });

  it('a handler of a request-scoped controller is made for each message, with its context', async () => {
    const seen: unknown[] = [];
    @Controller({ scope: Scope.REQUEST })
    class Orders {
      constructor(@Inject(REQUEST) private readonly request: RequestContext<Order, HalfboxContext>) {}

      @EventPattern<string>('scoped')
      handle(@Payload() order: Order): void {
        seen.push([order.id, this.request.getContext().attempt, this.request.getData()]);
        if (seen.length === 1) throw new Error('first');
      }
    }
    await applications.listening(Orders, { retry: { fixedMs: 0 } });
    const [id] = await applications.send('scoped', { id: 1 });
    await applications.untilState('acked', id!);
    expect(seen).toEqual([
      [1, 1, { id: 1 }],
      [1, 2, { id: 1 }],
    ]);
  });

  it('closing finishes what is in hand, and leaves the client that it was given open', async () => {
    const gate = new Gate();
    let begun = false;
    @Controller()
    class Orders {
      @EventPattern<string>('closing')
      async handle(): Promise<void> {
        begun = true;
        await gate.opened;
      }
    }
    const options = { endpoints: undefined, client: applications.client };
    const { application } = await applications.listening(Orders, options);
    const [id] = await applications.send('closing', 1);
    await until('begun', () => begun);
    const closed = application.close();
    gate.open();
    await closed;
    expect((await applications.stateOf(id!)).state).toBe('acked');
    expect(await applications.send('closing', 2)).toHaveLength(1);
  });

  it('consumes from the broker of its own application, beside HTTP and another transport', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'halfbox-hybrid-'));
    const storeUrl = `sqlite:${join(folder, 'halfbox.db')}`;
    const gate = new Gate();
    let begun = 0;
    @Controller()
    class Orders {
      @EventPattern<string>('hybrid', HALFBOX_TRANSPORT, { group: 'own' })
      async handle(): Promise<void> {
        begun += 1;
        await gate.opened;
      }

      @MessagePattern('sum', Transport.TCP)
      sum(numbers: number[]): number {
        return numbers.length;
      }
    }
    @Module({ imports: [HalfboxModule.forRoot({ storeUrl, api: false })], controllers: [Orders] })
    class Application {}
    const application = await NestFactory.create(Application, new FastifyAdapter(), { logger: false });
    const broker = application.get<HalfboxBroker>(HalfboxBroker);
    application.connectMicroservice({ strategy: new HalfboxServer({ client: broker.client }) });
    application.connectMicroservice({ transport: Transport.TCP, options: { port: await freePort() } });
    await application.startAllMicroservices();
    const [place] = await broker.send({ topic: 'hybrid', body: 1 });
    await until('begun', () => begun === 1);
    const closed = application.close();
    gate.open();
    await closed;
    const node = await startNode(completeSettings({ storeUrl, port: 0 }), silentLogger, 'test');
    const found = (await (await fetch(`${node.url}/v1/messages/${place!.id}`)).json()) as { deliveries: unknown[] };
    expect(found.deliveries).toMatchObject([{ group: 'own', state: 'acked' }]);
    await node.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each([false, true])('says how it stands, and what failed (broadcasting: %s)', async (broadcasting) => {
    const topic = `status-${broadcasting}`;
    const errors: string[] = [];
    const statuses: string[] = [];
    @Controller()
    class Orders {
      @EventPattern<string>(topic, { waitMs: 50, broadcasting })
      handle(@Payload() body: unknown): void {
        if (body === 'bad') throw new Error('bad luck');
      }
    }
    const { application, server } = await applications.listening(Orders, {}, undefined, (made) => {
      made.on('error', (error: Error, { during }: { during: string }) => errors.push(`${during}: ${error.message}`));
      made.status.subscribe((status: string) => statuses.push(status));
    });
    const [{ group }] = server.unwrap<[{ group: string }]>();
    const [id] = await applications.send(topic, 'bad');
    await applications.untilState('retry', id!, group);
    expect(errors).toEqual(['handle: bad luck']);
    await applications.broker.remove(`/v1/subscriptions/${topic}/${group}?force=true`);
    await until('connected again', () => statuses.length === 3);
    await application.close();
    expect(statuses).toEqual(['connected', 'disconnected', 'connected', 'closed']);
    expect(server.unwrap<unknown[]>()).toHaveLength(1);
    expect(() => server.on('connect' as 'error', () => undefined)).toThrow("only of 'error'");
  });

  it('runs between the hooks of instrumentation', async () => {
    const steps: string[] = [];
    @Controller()
    class Orders {
      @EventPattern<string>('hooked')
      async handle(): Promise<void> {
        await new Promise(setImmediate);
        steps.push('handled');
      }
    }
    await applications.listening(Orders, {}, undefined, (made) => {
      const server = (made as unknown as { serverInstance: HalfboxServer }).serverInstance;
      server.setOnProcessingStartHook((_transport, context, done) => {
        steps.push(`start ${(context as HalfboxContext).topic}`);
        void done();
      });
      server.setOnProcessingEndHook(() => steps.push('end'));
    });
    const [id] = await applications.send('hooked', 1);
    await applications.untilState('acked', id!);
    expect(steps).toEqual(['start hooked', 'handled', 'end']);
  });

  it('tells that no broker answers, and a close while it waits for one ends the start without an error', async () => {
    const server = new HalfboxServer({ endpoints: ['http://127.0.0.1:9'], group: 'g' });
    server.addHandler('orders', () => Promise.resolve(of(undefined)), true);
    const told = new Promise<unknown>((resolve) =>
      server.on('error', (error, { during }) => resolve([during, (error as { code?: string }).code])),
    );
    const listened = new Promise<unknown>((resolve) => server.listen(resolve));
    expect(await told).toEqual(['subscribe', 'broker-unreachable']);
    await server.close();
    expect(await listened).toBeUndefined();
  });

  describe('refuses to listen', () => {
    @Controller()
    class Requests {
      @MessagePattern('orders')
      handle(): Observable<number> {
        return of(1);
      }
    }
    @Controller()
    class Twice {
      @EventPattern<string>('orders')
      one(): void {}

      @EventPattern<string>('orders')
      two(): void {}
    }
    @Controller()
    class Misspelt {
      @EventPattern<string>('orders', { concurency: 3 })
      handle(): void {}
    }
    @Controller()
    class Patterns {
      @EventPattern({ cmd: 'orders' })
      handle(): Observable<number> {
        return timer(0);
      }
    }
    @Controller()
    class Wrong {
      @EventPattern<string>('orders', { visibilityMs: 5 })
      handle(): void {}
    }

    it.each([
      ['a handler of requests', Requests, {}, "@MessagePattern('orders') cannot be served"],
      ['two handlers in one group', Twice, {}, "two handlers of 'orders' are in the group 'g'"],
      ['an unknown option', Misspelt, {}, "unknown option 'concurency', did you mean 'concurrency'?"],
      ['a pattern that is no topic', Patterns, {}, 'whose pattern is no topic'],
      ['an option beyond its bounds', Wrong, {}, 'visibilityMs is 5'],
      ['a handler without a group', Twice, { group: undefined }, "@EventPattern('orders') has no group"],
    ])('%s', async (_name, controller, options, message) => {
      await expect(applications.listening(controller, options)).rejects.toThrow(message);
    });

    it('a broker that does not answer', async () => {
      @Controller()
      class Orders {
        @EventPattern<string>('orders')
        handle(): void {}
      }
      const options = { endpoints: ['http://127.0.0.1:9'], startMs: 200 };
      await expect(applications.listening(Orders, options)).rejects.toMatchObject({ code: 'broker-unreachable' });
    });

    it('no way to a broker at all', () => {
      expect(() => new HalfboxServer({ group: 'g' })).toThrow('give endpoints, client or redisUrl');
    });
  });
});

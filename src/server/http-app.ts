import { randomBytes } from 'node:crypto';
import { Module, type DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import { CallerGuard } from '../api/caller.js';
import { ChangeNotice } from '../api/change-notice.js';
import { unacceptedMax } from '../api/connection-bounds.js';
import { controllers } from '../api/controllers.js';
import { DirectCalls } from '../api/direct-calls.js';
import { addDirectRoutes, directHandlers } from '../api/direct-routes.js';
import { endpoints } from '../api/endpoints.js';
import { openStream } from '../api/endpoints/streams.js';
import { createFastifyEdge } from '../api/fastify-edge.js';
import { ForwardTargets } from '../api/forward-targets.js';
import { NodeAsker } from '../api/node-asker.js';
import { NodeClient } from '../api/node-client.js';
import { OwnerRoute } from '../api/owner-route.js';
import { ProblemFilter } from '../api/problem-filter.js';
import type { RouteTable } from '../api/route-table.js';
import { SERVICES, type Services } from '../api/services.js';
import { addStreamRoute } from '../api/stream-route.js';
import { SubscriptionChanges } from '../api/subscription-changes.js';
import { ApiKeys } from '../config/api-keys.js';
import type { Settings } from '../config/settings.js';
import type { WorkerOptions } from '../http-worker/worker-orders.js';
import { EmbeddedCaller } from './embedded-caller.js';
import { HttpWorkers } from './http-workers.js';
import { buildQuietly } from './quiet-nest.js';
import { WorkerCalls } from './worker-calls.js';

/** The controllers over the services of one broker. */
@Module({})
class ApiModule {
  static over(services: Services, nodes: NodeClient): DynamicModule {
    return {
      module: ApiModule,
      controllers,
      providers: [
        { provide: SERVICES, useValue: services },
        { provide: OwnerRoute, useValue: new OwnerRoute(services, nodes) },
        { provide: ChangeNotice, useValue: new ChangeNotice(services, nodes) },
        SubscriptionChanges,
        ForwardTargets,
      ],
    };
  }
}

/**
 * A scope of the server for Nest: the hooks that Nest adds run for its own routes, and for paths that nobody serves, and
 * the direct routes are free of them. In an object, since an instance of Fastify can be awaited: one that is answered by
 * itself would become the server.
 */
async function ownScope(server: FastifyInstance): Promise<{ scope: FastifyInstance }> {
  const made: FastifyInstance[] = [];
  await server.register((scope, _options, done) => {
    made.push(scope);
    done();
  });
  return { scope: made[0]! };
}

const Factory = NestFactory.constructor as new () => typeof NestFactory;

/** The HTTP contract, ready to be injected into or to listen. */
export interface HttpApp {
  app: NestFastifyApplication;
  routes: RouteTable;
  /** For calls of this process: no socket, every scope. */
  caller: EmbeddedCaller;
  /** Takes calls from outside. */
  listen(settings: Pick<Settings, 'host' | 'workers'>, port: number): Promise<Listener>;
}

/** What takes calls from outside. */
export interface Listener {
  /** Takes no more, and resolves when what was in hand is answered. */
  close(): Promise<void>;
  /** Ends what has not ended by itself. */
  kill(): void;
}

/** @param stopping true once the broker refuses new requests */
export async function createHttpApp(services: Services, stopping: () => boolean = () => false): Promise<HttpApp> {
  const grant = randomBytes(32).toString('base64url');
  const guard = new CallerGuard(services.apiKeys, services.node.secret, grant);
  const { server, routes } = createFastifyEdge({
    guard,
    admission: services.admission,
    logger: services.logger,
    stopping,
  });
  const caller = new EmbeddedCaller(server, grant);
  const nodes = new NodeClient(services.node.secret);
  server.addHook('onClose', () => nodes.close());
  await addStreamRoute(server, services);
  const { logger, streams } = services;
  streams.askOthersBy(new NodeAsker(nodes, logger, streams.settings.askTimeoutMs));
  const { scope } = await ownScope(server);
  const app = await buildQuietly(async () => {
    // A factory of its own: the shared one remembers options, which an application around this broker sets otherwise.
    const built = await new Factory().create<NestFastifyApplication>(
      ApiModule.over(services, nodes),
      new FastifyAdapter(scope),
      { bodyParser: false, abortOnError: false, autoFlushLogs: false },
    );
    built.useGlobalFilters(new ProblemFilter(routes, services.logger));
    await built.init();
    return built;
  });
  const instances = controllers.map((controller) => app.get<object>(controller));
  const handlers = directHandlers(instances);
  addDirectRoutes(server, handlers, logger);
  const calls = new DirectCalls({ handlers, logger, stopping });
  caller.direct = { calls, caller: guard.ofThisProcess };
  await server.ready();
  const listen: HttpApp['listen'] = async ({ host, workers: count }, port) => {
    if (count === 0) {
      await app.listen({ port, host, backlog: unacceptedMax });
      return { close: () => app.close(), kill: () => {} };
    }
    const workerCalls = new WorkerCalls(server, calls, guard, logger);
    const options = workerOptions(services, { host, port });
    const workers = await HttpWorkers.listen(count, options, {
      calls: workerCalls,
      server: server.server,
      onRefused: services.metrics.refused,
      logger,
    });
    const close = async (): Promise<void> => {
      await workers.close();
      await app.close();
    };
    return { close, kill: () => workers.kill() };
  };
  return { app, routes, caller, listen };
}

/** What an HTTP worker must know. */
function workerOptions(
  { apiKeys, node, admission }: Services,
  address: Pick<WorkerOptions, 'host' | 'port'>,
): WorkerOptions {
  return {
    ...address,
    apiKeys: apiKeys.stored,
    nodeKey: ApiKeys.storedOf('node', node.secret),
    newWorkPaths: endpoints.filter(({ spec }) => spec.bringsWork).map(({ spec }) => spec.path),
    admission: admission.limits,
    streamPath: openStream.spec.path,
  };
}

import { Module, type DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { CallerGuard } from '../api/caller.js';
import { ChangeNotice } from '../api/change-notice.js';
import { controllers } from '../api/controllers.js';
import { createFastifyEdge } from '../api/fastify-edge.js';
import { ForwardTargets } from '../api/forward-targets.js';
import { NodeClient } from '../api/node-client.js';
import { OwnerRoute } from '../api/owner-route.js';
import { ProblemFilter } from '../api/problem-filter.js';
import type { RouteTable } from '../api/route-table.js';
import { SERVICES, type Services } from '../api/services.js';
import { SubscriptionChanges } from '../api/subscription-changes.js';

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

/** The HTTP contract, ready to be injected into or to listen. */
export interface HttpApp {
  app: NestFastifyApplication;
  routes: RouteTable;
}

/** @param stopping true once the broker refuses new requests */
export async function createHttpApp(services: Services, stopping: () => boolean = () => false): Promise<HttpApp> {
  const guard = new CallerGuard(services.apiKeys, services.node.secret);
  const { server, routes } = createFastifyEdge({ guard, logger: services.logger, stopping });
  const nodes = new NodeClient(services.node.secret);
  server.addHook('onClose', () => nodes.close());
  const app = await NestFactory.create<NestFastifyApplication>(
    ApiModule.over(services, nodes),
    new FastifyAdapter(server),
    {
      bodyParser: false,
      logger: false,
      abortOnError: false,
    },
  );
  app.useGlobalFilters(new ProblemFilter(routes, services.logger));
  await app.init();
  await server.ready();
  return { app, routes };
}

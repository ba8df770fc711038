import type { DataSource } from 'typeorm';
import type { ApplicationProducerOptions, EndpointsCallerOptions } from '../../client/index.js';
import type { Logger } from '../../runtime/logger.js';

/** One producer of this application. */
export interface HalfboxProducerOptions extends ApplicationProducerOptions {
  /**
   * The application's database, for `sendInTransaction` and `transaction`: a TypeORM DataSource, the name of one of
   * `@nestjs/typeorm`, or `true` for its default one. Check-backs are then answered from its table `halfbox_fence`.
   */
  dataSource?: DataSource | string | true | undefined;
  /**
   * Ask over HTTP instead of over a stream that this process holds open: the URL at which the brokers reach any instance
   * of this application. Its path is served here. An application on Express must be created with `rawBody: true`.
   */
  checkBackUrl?: string | undefined;
  /**
   * Ask over a microservice transport that the brokers' operator named: the producer is registered so, and this module
   * answers the pattern in every microservice of the application (`app.connectMicroservice`) but a `HalfboxServer`.
   */
  checkBackPattern?: { transport: string; pattern: string } | undefined;
  /**
   * Makes the injectable `Outbox` on the `dataSource`, and forwards its messages through this producer from the
   * application's bootstrap on. At the shutdown what this process has written is sent first, as far as `closeTimeoutMs`
   * allows. One producer of a database has one.
   */
  outbox?: ApplicationProducerOptions['outbox'];
  /**
   * Makes the injectable `Inbox` on the `dataSource`, and deletes its old rows from the application's bootstrap on. With
   * `redis` (a client that the application has, and closes) it is the weak `RedisInbox` instead, which needs no `dataSource`.
   */
  inbox?: ApplicationProducerOptions['inbox'];
}

interface Common extends HalfboxProducerOptions {
  /** How long a stop waits for what producers have in hand. Default 10,000. */
  closeTimeoutMs?: number | undefined;
  /** Default: Nest's logger, from `info` on. */
  logger?: Logger | undefined;
}

/** To the brokers of one store. */
export interface RemoteClientOptions extends Common {
  /** URLs of brokers of one store; the others are found. */
  endpoints: readonly string[];
  /** Needs the scope `produce`; and the producer's own name, or `admin`, to answer check-backs. */
  apiKey?: string | undefined;
  /** Further settings of the connections. */
  connection?: Omit<EndpointsCallerOptions, 'endpoints' | 'apiKey' | 'logger'> | undefined;
  embedded?: false | undefined;
}

/** To the broker of this application's `HalfboxModule`. */
export interface EmbeddedClientOptions extends Common {
  embedded: true;
  endpoints?: undefined;
}

export type HalfboxClientModuleOptions = RemoteClientOptions | EmbeddedClientOptions;

/** Injects {@link HalfboxClientModuleOptions}. */
export const HALFBOX_CLIENT_OPTIONS = Symbol('HALFBOX_CLIENT_OPTIONS');

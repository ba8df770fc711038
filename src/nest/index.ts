/** The NestJS modules, decorators and strategies. */
export { HalfboxBroker, type BrokerUser } from './broker/halfbox-broker.js';
export { HalfboxModule, type AsyncOptions, type Visibility } from './broker/halfbox-module.js';
export {
  HalfboxClientProxy,
  RequestsUnsupported,
  type HalfboxClientProxyOptions,
} from './server/halfbox-client-proxy.js';
export { HalfboxContext } from './server/halfbox-context.js';
export { HalfboxRecord, HalfboxRecordBuilder, type HalfboxRecordOptions } from './server/halfbox-record.js';
export {
  HALFBOX_TRANSPORT,
  HalfboxServer,
  type HalfboxServerEvents,
  type HalfboxServerOptions,
  type HalfboxStatus,
} from './server/halfbox-server.js';
export type { HalfboxHandlerOptions } from './server/handler-options.js';
export { HALFBOX_OPTIONS, type HalfboxModuleOptions } from './broker/halfbox-options.js';
export { CheckBack } from './client/check-back.js';
export {
  HALFBOX_CLIENT_OPTIONS,
  type EmbeddedClientOptions,
  type HalfboxClientModuleOptions,
  type HalfboxProducerOptions,
  type RemoteClientOptions,
} from './client/client-options.js';
export { HalfboxClientModule } from './client/halfbox-client-module.js';
export {
  getAnswererToken,
  getInboxToken,
  getOutboxToken,
  getProducerToken,
  InjectAnswerer,
  InjectInbox,
  InjectOutbox,
  InjectProducer,
} from './client/tokens.js';

/** The NestJS modules, decorators and strategies. */
export { HalfboxBroker, type BrokerUser } from './broker/halfbox-broker.js';
export { HalfboxModule, type AsyncOptions, type Visibility } from './broker/halfbox-module.js';
export { HALFBOX_OPTIONS, type HalfboxModuleOptions } from './broker/halfbox-options.js';

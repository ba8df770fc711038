/** What a producer or consumer imports from `halfbox/client`. */
export { HalfboxClient, type HalfboxClientOptions } from './halfbox-client.js';
export { HalfboxError, HalfboxUnreachable } from './halfbox-error.js';
export type * from './contract.js';

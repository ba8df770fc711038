/** What a producer or consumer imports from `halfbox/client`. It needs no NestJS. */
export { HttpCaller, type HttpCallerOptions } from './broker/http-caller.js';
export { HalfboxClient, type CallOptions } from './broker/halfbox-client.js';
export type { Call, CallAnswer, Caller } from './broker/caller.js';
export type { Answer, Answerer, Question } from './check/answerer.js';
export * from './errors.js';
export type * from './contract.js';

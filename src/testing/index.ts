/** What the tests of an application import from `halfbox/testing`. */
export { HalfboxTestingModule } from './testing-module.js';
export { HalfboxTestingBroker, type DeadLetter, type TestingOptions, type VisibleMessage } from './testing-broker.js';
export type { TestingClock } from './testing-clock.js';
export { NotSettled } from './time-travel.js';

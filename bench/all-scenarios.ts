import type { Scenario } from './scenario.js';
import { backlog } from './scenarios/backlog.js';
import { batchHttp } from './scenarios/batch-http.js';
import { bodies } from './scenarios/bodies.js';
import { brokers } from './scenarios/brokers.js';
import { client } from './scenarios/client.js';
import { delayed } from './scenarios/delayed.js';
import { embedded } from './scenarios/embedded.js';
import { idle } from './scenarios/idle.js';
import { idleSubscriptions } from './scenarios/idle-subscriptions.js';
import { limits } from './scenarios/limits.js';
import { local } from './scenarios/local.js';
import { oneKey } from './scenarios/one-key.js';
import { openLoop } from './scenarios/open-loop.js';
import { orderingKeys } from './scenarios/ordering-keys.js';
import { push } from './scenarios/push.js';
import { queueSubscriptions } from './scenarios/queue-subscriptions.js';
import { redrive } from './scenarios/redrive.js';
import { retention } from './scenarios/retention.js';
import { singleHttp } from './scenarios/single-http.js';
import { soak } from './scenarios/soak.js';
import { subscriptions } from './scenarios/subscriptions.js';
import { topics } from './scenarios/topics.js';

/** In the order in which they run. */
export const allScenarios: readonly Scenario[] = [
  ...limits,
  ...singleHttp,
  ...push,
  ...batchHttp,
  ...client,
  ...embedded,
  ...local,
  ...brokers,
  ...openLoop,
  ...bodies,
  ...subscriptions,
  ...topics,
  ...orderingKeys,
  ...oneKey,
  ...delayed,
  ...redrive,
  ...queueSubscriptions,
  ...idle,
  ...idleSubscriptions,
  ...retention,
  ...backlog,
  ...soak,
];

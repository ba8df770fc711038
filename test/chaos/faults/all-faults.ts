import { targetFaults } from './bad-targets.js';
import { brokersKilled } from './brokers-killed.js';
import { clockAhead, clockBehind } from './clock-off.js';
import { connectionFaults } from './connections.js';
import type { Fault } from './fault.js';
import { loopBlocked } from './loop-blocked.js';
import { mariadbKilled, mariadbKilledInCommit } from './mariadb-killed.js';
import { redisClientsKilled, redisFlushed, redisFull, redisKilled } from './redis.js';
import { sqliteFull } from './sqlite-full.js';
import { sqliteFullPages } from './sqlite-full-pages.js';

/** In the order of the table. */
export const allFaults: Fault[] = [
  mariadbKilled,
  mariadbKilledInCommit,
  redisKilled,
  redisFlushed,
  redisClientsKilled,
  redisFull,
  ...connectionFaults,
  sqliteFull,
  sqliteFullPages,
  clockAhead,
  clockBehind,
  loopBlocked,
  ...targetFaults,
  brokersKilled,
];

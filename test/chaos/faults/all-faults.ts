import type { Fault } from './fault.js';
import { mariadbKilled, mariadbKilledInCommit } from './mariadb-killed.js';
import { redisClientsKilled, redisFlushed, redisFull, redisKilled } from './redis.js';

/** In the order of the table. */
export const allFaults: Fault[] = [
  mariadbKilled,
  mariadbKilledInCommit,
  redisKilled,
  redisFlushed,
  redisClientsKilled,
  redisFull,
];

import { Initial1700000000001 } from './0001-initial.js';

/** Every migration of the broker's schema, oldest first. */
export const migrations = [Initial1700000000001];

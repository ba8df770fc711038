import { Initial1700000000001 } from './0001-initial.js';
import { LaneLastWrite1700000000002 } from './0002-lane-last-write.js';

/** Every migration of the broker's schema, oldest first. */
export const migrations = [Initial1700000000001, LaneLastWrite1700000000002];

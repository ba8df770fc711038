import type { Peers } from '../peer.js';
import { dtm } from './dtm/peer.js';
import { naiveOutbox } from './outbox/peer.js';
import { rocketMq } from './rocketmq/peer.js';

/** Other systems that do what Halfbox does, in the order in which they are measured. */
export const peers: Peers = [rocketMq, dtm('mysql'), dtm('redis'), naiveOutbox];

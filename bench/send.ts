import { MessageShape, type Shape } from './processes/message-shape.js';
import type { Rig } from './rig.js';

const perCall = 1_000;
const callsAtOnce = 4;

/** Stores so many messages by plain sends, 1,000 a call. @param more fields of every message, such as `deliverAt` */
export async function sendAll(rig: Rig, count: number, shape: Shape, t: number, more: object = {}): Promise<void> {
  const made = new MessageShape(shape);
  let left = count;
  const sender = async (): Promise<void> => {
    while (left > 0) {
      const size = Math.min(perCall, left);
      left -= size;
      const messages = Array.from({ length: size }, () => ({ ...made.message(made.next(), t), ...more }));
      await rig.call('POST', '/v1/messages', { messages });
    }
  };
  await Promise.all(Array.from({ length: callsAtOnce }, sender));
}

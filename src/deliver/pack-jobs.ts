import { hash } from 'node:crypto';
import { messageText } from '../message/message-json.js';
import { type EngineJob, packIdLead } from '../queue/queue-engine.js';
import type { Delivery } from '../relay/owned-subscription.js';
import { jobIdOf } from './queue-window.js';

export interface PackedJob {
  job: EngineJob;
  deliveries: Delivery[];
}

/**
 * The jobs that carry these deliveries, in their order: one each, or packs of up to `messagesMax` messages and, unless one
 * alone is larger, `charactersMax` characters. Deliveries that are given out at the same time have different ordering keys,
 * so a pack never has two messages of one.
 */
export function packJobs(deliveries: Delivery[], messagesMax: number, charactersMax: number): PackedJob[] {
  if (messagesMax === 1) return deliveries.map((delivery) => ({ job: jobOf(delivery), deliveries: [delivery] }));
  const packed: PackedJob[] = [];
  let texts: string[] = [];
  let characters = 0;
  let from = 0;
  deliveries.forEach((delivery, at) => {
    const text = messageText(delivery.message, delivery);
    if (texts.length === messagesMax || (texts.length > 0 && characters + text.length > charactersMax)) {
      packed.push(pack(deliveries.slice(from, at), texts));
      [texts, characters, from] = [[], 0, at];
    }
    texts.push(text);
    characters += text.length;
  });
  if (texts.length > 0) packed.push(pack(deliveries.slice(from), texts));
  return packed;
}

function jobOf(delivery: Delivery): EngineJob {
  return { id: jobIdOf(delivery), json: messageText(delivery.message, delivery) };
}

/** Its id follows from its contents: the same tries are the same job, and no others are. */
function pack(deliveries: Delivery[], texts: string[]): PackedJob {
  const tries = deliveries.map(jobIdOf);
  const id = packIdLead + hash('sha256', tries.join(','), 'base64url');
  return { job: { id, json: `{"messages":[${texts.join(',')}]}`, tries }, deliveries };
}

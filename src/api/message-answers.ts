import { isoTime, messageJson } from '../message/message-json.js';
import type { DeliveryStateView } from '../store/delivery-view.js';
import type { MessageView } from '../store/lookup-store.js';

function deliveryAnswer({ group, state, attempt, dueAt, error }: DeliveryStateView) {
  return {
    group,
    state,
    attempt,
    ...(dueAt === undefined ? {} : { dueAt: isoTime(dueAt) }),
    ...(error === undefined ? {} : { error }),
  };
}

/** A message with where it is and how it stands with every subscription of its topic. */
export function messageAnswer(view: MessageView, deliveries: DeliveryStateView[]) {
  const { message, state, placement, deliverAt } = view;
  return {
    ...messageJson(message),
    state,
    ...(placement ? { shard: placement.shard, offset: placement.offset } : {}),
    ...(deliverAt === undefined ? {} : { deliverAt: isoTime(deliverAt) }),
    deliveries: deliveries.map(deliveryAnswer),
  };
}

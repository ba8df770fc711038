import { tagFilter } from '../../message/tag-filter.js';
import type { DeliveryStateView } from '../delivery-view.js';
import type { LaneCursor } from '../lane-store.js';
import type { MessageView } from '../lookup-store.js';
import { textOf, type SqlDatabase, type SqlRow } from './database.js';
import { laneColumns, laneCursorOf } from './lane-row.js';
import { retryColumns, retryEntryOf } from './retry-row.js';
import { subscriptionColumns, subscriptionOf } from './subscription-row.js';

/** Subscriptions of a topic that a look-up shows. */
const subscriptionsMax = 500;

/** Who has a message; see `LookupStore.deliveriesOf`. One round trip. */
export async function readDeliveries(database: SqlDatabase, view: MessageView): Promise<DeliveryStateView[]> {
  const { placement, ref } = view;
  if (!placement) return [];
  const { topic } = view.message;
  const { shard, offset } = placement;
  const [subscriptions, lanes, retries, dead] = await database.read(
    {
      sql: `SELECT ${subscriptionColumns} FROM halfbox_subscription WHERE topic = ? ORDER BY consumer_group
        LIMIT ${subscriptionsMax}`,
      params: [topic],
    },
    {
      sql: `SELECT consumer_group, ${laneColumns} FROM halfbox_lane WHERE topic = ? AND shard = ? ORDER BY consumer_group
        LIMIT ${subscriptionsMax}`,
      params: [topic, shard],
    },
    {
      sql: `SELECT consumer_group, ${retryColumns} FROM halfbox_retry
        WHERE message_id = ? AND topic = ? AND shard = ? AND log_offset = ?`,
      params: [ref.id, topic, shard, offset],
    },
    {
      sql: `SELECT consumer_group, attempts, error FROM halfbox_dead_letter
        WHERE message_id = ? AND topic = ? AND shard = ? AND log_offset = ?`,
      params: [ref.id, topic, shard, offset],
    },
  );
  const laneOf = byGroup(lanes?.rows ?? []);
  const retryOf = byGroup(retries?.rows ?? []);
  const deadOf = byGroup(dead?.rows ?? []);
  return (subscriptions?.rows ?? []).map(subscriptionOf).flatMap(({ group, config }) => {
    const deadRow = deadOf.get(group);
    if (deadRow) {
      return { group, state: 'dead', attempt: Number(deadRow['attempts']), error: textOf(deadRow['error']) };
    }
    const retryRow = retryOf.get(group);
    if (retryRow) return retryView(group, retryRow);
    if (!tagFilter(config.filter)(ref.tag)) return { group, state: 'filtered', attempt: 0 };
    const laneRow = laneOf.get(group);
    // Without its lane the subscription is just being made or deleted.
    return laneRow ? laneView(group, laneCursorOf(laneRow), offset) : [];
  });
}

function byGroup(rows: SqlRow[]): Map<string, SqlRow> {
  return new Map(rows.map((row) => [textOf(row['consumer_group']), row]));
}

function retryView(group: string, row: SqlRow): DeliveryStateView {
  const { state, attempt, dueAt, error } = retryEntryOf(row);
  if (state === 'waiting_for_key') return { group, state: 'ready', attempt };
  const view: DeliveryStateView = { group, state: state === 'given' ? 'in_flight' : 'retry', attempt, dueAt };
  if (error !== undefined) view.error = error;
  return view;
}

function laneView(
  group: string,
  { settledOffset, settledAbove, given }: LaneCursor,
  offset: number,
): DeliveryStateView {
  const isIn = ([from, to]: readonly [number, number]) => offset >= from && offset < to;
  if (offset < settledOffset || settledAbove.some(isIn)) return { group, state: 'acked', attempt: 0 };
  const range = given.find(({ from, to }) => isIn([from, to]));
  return range ? { group, state: 'in_flight', attempt: 1, dueAt: range.dueAt } : { group, state: 'ready', attempt: 0 };
}

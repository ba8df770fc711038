import type { StoreImage } from './store-image.js';

/** What still has to move, in words; empty when the store is quiet. */
export function unfinished(image: StoreImage): string[] {
  const left: string[] = [];
  const ends = new Map(image.shards.map(({ topic, shard, nextOffset }) => [`${topic} ${shard}`, nextOffset]));
  for (const { subscription, shard, settledOffset, settledAbove, given } of image.lanes) {
    const end = ends.get(`${subscription.split('/')[0]} ${shard}`)!;
    if (settledOffset < end) left.push(`${subscription} ${shard} has settled up to ${settledOffset} of ${end}`);
    if (settledAbove.length > 0)
      left.push(`${subscription} ${shard} has settled ${JSON.stringify(settledAbove)} above`);
    if (given.length > 0) left.push(`${subscription} ${shard} has given out ${JSON.stringify(given)}`);
  }
  for (const { subscription, id, state } of image.retries)
    left.push(`${id} is in the retry store of ${subscription} (${state})`);
  for (const id of image.scheduled) left.push(`${id} is in the schedule`);
  for (const [id, state] of image.transactions) if (state === 'prepared') left.push(`${id} is prepared`);
  return left;
}

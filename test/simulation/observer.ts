import type { LogChunk } from '../../src/message/ref.js';
import type { ClaimedSubscription, FreeLease, Settlement } from '../../src/store/lane-store.js';
import type { Interceptor } from './links.js';
import type { Mutation } from './mutations.js';
import type { Simulation } from './simulation.js';

/** Looks at what is done in the store as it is done, whatever its caller hears of it. */
export function observer(simulation: Simulation, mutation: Mutation | undefined): Interceptor {
  const { ledger, tables } = simulation;
  const perform: Interceptor = (verb, args, proceed) =>
    mutation?.store ? mutation.store(simulation, verb, args, proceed) : proceed(args);
  return async (verb, args, proceed) => {
    const dead = verb.startsWith('deadLetters.') ? new Map(tables.deadLetters) : null;
    const result = await perform(verb, args, proceed);
    if (verb === 'lanes.settle') noteSettled(simulation, args[0] as Settlement[], result as string[]);
    else if (verb === 'lanes.readLog') checkChunks(simulation, result as LogChunk[]);
    else if (verb === 'lanes.claim') noteClaimed(simulation, args, result as (ClaimedSubscription | null)[]);
    else if (verb === 'half.append' || verb === 'checks.record') ledger.checkFinal();
    for (const [id, { topic, group, ref }] of dead ?? []) {
      if (tables.deadLetters.has(id)) continue;
      const of = ledger.group(topic, group);
      (verb === 'deadLetters.discard' ? of.discarded : of.redriven).add(ref.id);
    }
    return result;
  };
}

function noteClaimed({ world }: Simulation, args: unknown[], claimed: (ClaimedSubscription | null)[]): void {
  const [leases, nodeId] = args as [FreeLease[], string];
  const names = leases.map(({ group }, index) => `${group} ${claimed[index] !== null}`);
  world.trace(`${nodeId} claims ${names.join(', ')}`);
}

function noteSettled({ world, ledger }: Simulation, settlements: Settlement[], results: string[]): void {
  settlements.forEach((settlement, index) => {
    const { topic, group, epoch, cursors, retriesPut, retriesDelete, deadLetters } = settlement;
    const lanes = cursors.map(({ shard, settledOffset, settledAbove, given }) => {
      const ranges = given.map(({ from, to }) => [from, to]);
      return `${shard}:${settledOffset}${JSON.stringify(settledAbove)}given${JSON.stringify(ranges)}`;
    });
    const put = retriesPut.map(({ shard, offset, state, attempt }) => `${shard}:${offset} ${state}#${attempt}`);
    const deleted = retriesDelete.map(({ shard, offset }) => `${shard}:${offset}`);
    const dead = deadLetters.map(({ shard, offset, error }) => `${shard}:${offset} ${error}`);
    world.trace(
      `settle ${group} epoch ${epoch % 1_000} ${results[index]}: ${lanes.join(' ')} put [${put.join(', ')}] delete [${deleted.join(', ')}] dead [${dead.join(', ')}]`,
    );
    if (results[index] !== 'stored') return;
    for (const { ref, attempts, error } of deadLetters) ledger.died(topic, group, ref, attempts, error);
  });
}

/** Offsets that a reader gets follow each other. */
function checkChunks({ ledger }: Simulation, chunks: LogChunk[]): void {
  chunks.forEach(({ topic, shard, firstOffset }, index) => {
    const before = chunks[index - 1];
    if (before === undefined || before.firstOffset + before.refs.length === firstOffset) return;
    ledger.violate(
      'offset-gap',
      `${topic}/${shard}: a reader finds ${firstOffset} after ${before.firstOffset + before.refs.length}`,
    );
  });
}

import { OrderGate } from '../../src/relay/order-gate.js';
import { NodeLease } from '../../src/relay/node-lease.js';
import type { AppendItem } from '../../src/store/half-store.js';
import type { ClaimedCheck } from '../../src/store/check-store.js';
import type { ClaimedSubscription, FreeLease, LaneCursor, Settlement } from '../../src/store/lane-store.js';
import type { Invariant } from './ledger.js';
import type { Tables } from './model/tables.js';
import type { Simulation } from './simulation.js';

type Proceed = (args: unknown[]) => Promise<unknown>;

/** A defect put in on purpose, to see that it is found. */
export interface Mutation {
  name: string;
  /** Where the search for it begins, when it is rare; `npm run simulate -- --mutations` begins at 1. */
  from?: number;
  /** By which invariants it may be found. */
  finds: Invariant[];
  /** Does a store call in another way. */
  store?(simulation: Simulation, verb: string, args: unknown[], proceed: Proceed): Promise<unknown>;
  /** Changes code for the length of a run; answers how to undo that. */
  apply?(): () => void;
}

/** Changes every settlement before it is stored. */
function settling(change: (settlement: Settlement, tables: Tables) => Settlement): Mutation['store'] {
  return ({ tables }, verb, args, proceed) => {
    if (verb !== 'lanes.settle') return proceed(args);
    const [settlements, ...rest] = args as [Settlement[]];
    return proceed([settlements.map((settlement) => change(settlement, tables)), ...rest]);
  };
}

/** Replaces a method for the length of a run. */
function replacing<T extends object, Name extends keyof T>(target: T, name: Name, by: (original: T[Name]) => T[Name]) {
  return (): (() => void) => {
    const original = target[name];
    target[name] = by(original);
    return () => void (target[name] = original);
  };
}

/** Replaces a getter for the length of a run. */
function answering(target: object, name: string, get: () => unknown): () => () => void {
  return () => {
    const original = Object.getOwnPropertyDescriptor(target, name)!;
    Object.defineProperty(target, name, { ...original, get });
    return () => Object.defineProperty(target, name, original);
  };
}

const end = ({ settledAbove, settledOffset }: LaneCursor): number =>
  Math.max(settledOffset, ...settledAbove.map(([, to]) => to));

export const mutations: Mutation[] = [
  {
    name: 'a settlement is not fenced by its epoch',
    from: 10,
    finds: ['duplicate-without-cause', 'order-broken', 'lost', 'stuck', 'attempts'],
    store: settling((settlement, tables) => {
      const { epoch } = tables.subscription(settlement.topic, settlement.group)!.subscription;
      return { ...settlement, epoch };
    }),
  },
  {
    name: 'a settlement that is run late undoes a later one',
    from: 300,
    finds: ['duplicate-without-cause', 'attempts', 'stuck', 'lost'],
    store: ({ tables }, verb, args, proceed) => {
      if (verb !== 'lanes.settle') return proceed(args);
      for (const { topic, group } of (args as [Settlement[]])[0]) {
        for (const lane of tables.subscription(topic, group)?.lanes.values() ?? []) lane.lastWrite = 0;
      }
      return proceed(args);
    },
  },
  {
    name: 'what is given out is not stored',
    finds: ['attempts', 'duplicate-without-cause', 'order-broken', 'bound'],
    store: settling((settlement) => ({
      ...settlement,
      cursors: settlement.cursors.map((cursor) => ({ ...cursor, given: [] })),
    })),
  },
  {
    name: 'the cursor moves over what is given out',
    finds: ['lost'],
    store: settling((settlement) => ({
      ...settlement,
      cursors: settlement.cursors.map((cursor) => {
        const settledOffset = Math.max(end(cursor), ...cursor.given.map(({ to }) => to));
        return cursor.given.length === 0 ? cursor : { ...cursor, settledOffset, settledAbove: [], given: [] };
      }),
    })),
  },
  {
    name: 'the attempts of a retry are counted afresh',
    finds: ['attempts', 'stuck'],
    store: settling((settlement) => ({
      ...settlement,
      retriesPut: settlement.retriesPut.map((entry) => ({ ...entry, attempt: Math.min(entry.attempt, 1) })),
    })),
  },
  {
    name: 'a dead letter is not stored',
    finds: ['lost'],
    store: settling((settlement) => ({ ...settlement, deadLetters: [] })),
  },
  {
    name: 'a retry is not stored',
    finds: ['lost'],
    store: settling((settlement) => ({ ...settlement, retriesPut: [] })),
  },
  {
    name: 'the order gate lets everything by',
    finds: ['order-broken', 'defect', 'stuck'],
    apply: replacing(
      OrderGate.prototype,
      'enter',
      (enter) =>
        function (this: OrderGate, keyHash, offset) {
          enter.call(this, keyHash, offset);
          return true;
        },
    ),
  },
  {
    name: 'a stored delivery goes before the log below it is read',
    from: 50,
    finds: ['order-broken'],
    apply: replacing(
      OrderGate.prototype,
      'answer',
      (answer) =>
        function (this: OrderGate, keyHash, offset) {
          return answer.call(this, keyHash, offset, Infinity);
        },
    ),
  },
  {
    name: 'a commit does not look at the state',
    finds: [
      'final-state-changed',
      'wrong-outcome',
      'wrongly-delivered',
      'duplicate-without-cause',
      'offset-gap',
      'attempts',
    ],
    store: ({ tables }, verb, args, proceed) => {
      if (verb === 'half.append') {
        for (const item of args[0] as AppendItem[]) {
          const row = item.kind === 'send' ? undefined : tables.transactions.get(item.transactionId);
          if (row) row.state = 'prepared';
        }
      }
      return proceed(args);
    },
  },
  {
    name: 'half messages are visible',
    finds: ['wrongly-delivered'],
    store: async ({ tables }, verb, args, proceed) => {
      const result = await proceed(args);
      if (verb === 'half.prepare') {
        for (const { state, refs } of tables.transactions.values()) {
          if (state !== 'prepared') continue;
          for (const { topic, delayMs: _, deliverAt: __, ...ref } of refs) {
            const shard = tables.shard(topic, 0)!;
            if (shard.chunks.some((chunk) => chunk.refs.some(({ id }) => id === ref.id))) continue;
            const firstOffset = shard.nextOffset++;
            shard.chunks.push({ topic, shard: 0, firstOffset, appendedAt: shard.lastAppendedAt, refs: [ref] });
          }
        }
      }
      return result;
    },
  },
  {
    name: 'a commit is answered and not stored',
    finds: ['lost', 'wrong-outcome'],
    store: async ({ tables, world }, verb, args, proceed) => {
      const before = verb === 'half.append' && world.random.chance(0.1) ? new Map(tables.transactions) : null;
      const rows = new Map([...(before ?? [])].map(([id, row]) => [id, { ...row }]));
      const result = await proceed(args);
      for (const item of before ? (args[0] as AppendItem[]) : []) {
        const row = item.kind === 'commit' ? rows.get(item.transactionId) : undefined;
        if (row?.state === 'prepared') row.state = 'parked';
        if (row?.state === 'parked') tables.transactions.set(row.id, row);
      }
      return result;
    },
  },
  {
    name: 'an offset is left out',
    finds: ['offset-gap', 'defect', 'stuck'],
    store: async ({ tables, world }, verb, args, proceed) => {
      if (verb === 'half.append' && world.random.chance(0.2)) {
        const shards = [...tables.shards.values()].flat();
        world.random.pick(shards).nextOffset += 1;
      }
      return proceed(args);
    },
  },
  {
    name: 'a lease is taken while its owner lives, and the epoch stays',
    finds: ['duplicate-without-cause', 'order-broken', 'attempts', 'lost', 'stuck', 'bound'],
    store: async ({ tables }, verb, args, proceed) => {
      if (verb === 'lanes.claimable')
        return [...tables.subscriptions.values()].map(({ subscription }) => ({ ...subscription }));
      if (verb !== 'lanes.claim') return proceed(args);
      const rows = (args[0] as FreeLease[]).map(({ topic, group }) => tables.subscription(topic, group)!);
      const epochs = rows.map(({ subscription }) => subscription.epoch);
      for (const row of rows) row.subscription = { ...row.subscription, owner: null };
      const claimed = (await proceed(args)) as (ClaimedSubscription | null)[];
      return claimed.map((each, index) => {
        if (each === null) return null;
        const [row, epoch] = [rows[index]!, epochs[index]!];
        row.subscription = { ...row.subscription, epoch };
        for (const lane of row.lanes.values()) lane.epoch = epoch;
        return { ...each, subscription: { ...each.subscription, epoch } };
      });
    },
  },
  {
    name: 'more is given out than may be in flight',
    finds: ['bound'],
    store: async (_simulation, verb, args, proceed) => {
      const result = await proceed(args);
      if (verb !== 'lanes.claim') return result;
      return (result as (ClaimedSubscription | null)[]).map((each) => {
        if (each === null) return null;
        const config = { ...each.subscription.config, maxInFlight: 1_000 };
        return { ...each, subscription: { ...each.subscription, config } };
      });
    },
  },
  {
    name: 'a check that was not answered counts as a rollback',
    finds: ['wrong-outcome', 'lost', 'final-state-changed'],
    store: async ({ tables, ledger }, verb, args, proceed) => {
      const result = await proceed(args);
      if (verb !== 'checks.record') return result;
      const row = tables.transactions.get((args[0] as ClaimedCheck).transactionId);
      const { outcome } = args[1] as { outcome: string };
      if (row?.state === 'prepared' && (outcome === 'timeout' || outcome === 'invalid')) {
        row.state = 'rolled_back';
        ledger.checkFinal();
      }
      return result;
    },
  },
  {
    name: 'a node that was held up believes in its lease',
    from: 1_300,
    finds: ['order-broken', 'duplicate-without-cause'],
    apply: answering(NodeLease.prototype, 'holds', () => true),
  },
];

import type { Step } from '../../src/message/step.js';
import type { Invariant } from './audit/evidence.js';

/** A defect made on purpose, by which it is seen that the audit would find one like it. */
export interface Mutation {
  /** What the broker does wrong. */
  name: string;
  /** What the audit must find, among other things that may follow from it. */
  breaks: Invariant;
  /** A file of the build, from `dist/src`. */
  file: string;
  /** A text that is there once, and what stands there instead. */
  find: string;
  replace: string;
  /** Where the broker is killed; it works for a while in any case. */
  kills: Step[];
}

export const mutations: Mutation[] = [
  {
    name: 'a successor forgets what was with consumers',
    breaks: 'lost',
    file: 'relay/recover.js',
    find: 'inherit(lane, delivery, dueAt);',
    replace: 'lane.settled.add(offset);',
    kills: ['relay.given-before-hand-out'],
  },
  {
    name: 'a rollback makes messages visible',
    breaks: 'wrong',
    file: 'store/sql/append-batch.js',
    find: "kind === 'commit'\n                ? transaction.refs.map",
    replace: 'transaction.refs\n                ? transaction.refs.map',
    kills: [],
  },
  {
    name: 'a transaction that is parked is delivered',
    breaks: 'wrong',
    file: 'check/check-asking.js',
    find: 'this.#noteParked(check, answered);\n',
    replace: "await this.#resolve(check, 'commit');\n",
    kills: [],
  },
  {
    name: 'a check-back that is answered commit rolls back',
    breaks: 'lost',
    file: 'check/check-asking.js',
    find: 'await this.#resolve(check, answer.outcome);',
    replace: "await this.#resolve(check, 'rollback');",
    kills: [],
  },
  {
    name: 'a committed transaction can be rolled back',
    breaks: 'final',
    file: 'message/transaction.js',
    find: "committed: { commit: 'same', rollback: 'conflict' }",
    replace: "committed: { commit: 'same', rollback: 'rolled_back' }",
    kills: [],
  },
  {
    name: 'a busy ordering key holds nothing back',
    breaks: 'order',
    file: 'relay/order-gate.js',
    find: 'if (key.holder !== waiting || offset >= key.storedFrom)\n            return false;',
    replace: 'if (key.holder !== waiting || offset >= key.storedFrom)\n            return true;',
    kills: [],
  },
  {
    name: 'a batch leaves a gap before its offsets',
    breaks: 'offsets',
    file: 'store/sql/lock-shards.js',
    find: "Number(row['next_offset'])",
    replace: "Number(row['next_offset']) + (Math.random() < 0.1 ? 1 : 0)",
    kills: [],
  },
  {
    name: 'a failed attempt counts as handled',
    breaks: 'dropped',
    file: 'relay/outcomes.js',
    find: "if (result.kind === 'ack')",
    replace: "if (result.kind !== 'release')",
    kills: [],
  },
  {
    name: 'retries are never looked for',
    breaks: 'stuck',
    file: 'relay/due-retries.js',
    find: 'return this.state.retryWakeAt <= now && this.state.retries.length === 0 && this.state.dueRetriesMax > 0;',
    replace: 'return false;',
    kills: [],
  },
  {
    name: 'an acknowledgement is answered and not stored',
    breaks: 'duplicate',
    file: 'relay/outcomes.js',
    find: 'await this.writer.write(new Settle(this.state, ended));',
    replace:
      "if (ended.some(({ fate }) => fate.kind === 'acked') && Math.random() < 0.1) {\n" +
      "    for (const { delivery } of ended) delivery.phase = 'given';\n    return;\n}\n" +
      'await this.writer.write(new Settle(this.state, ended));',
    kills: [],
  },
  {
    name: 'an acknowledgement is stored without its cursor',
    breaks: 'duplicate',
    file: 'store/sql/update-lanes.js',
    find: '({ cursor }) => cursor.settledOffset]',
    replace: '({ cursor }) => Math.max(0, cursor.settledOffset - 20)]',
    kills: ['relay.settle.after-store-before-answer', 'relay.settle.after-store-before-answer'],
  },
];

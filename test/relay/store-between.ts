import type { RelayOptions } from '../../src/relay/relay.js';
import type { LaneStore } from '../../src/store/lane-store.js';
import type { World } from './relay-fixture.js';

/** Stands between a node and its calls of the store's lanes. */
export type Between = (verb: keyof LaneStore, args: unknown[], proceed: () => Promise<unknown>) => Promise<unknown>;

/** The store as a node needs it, with `between` at every call of its lanes. */
export function storeBetween({ opened }: World, between: Between): RelayOptions['store'] {
  const { lanes, nodes, subscriptions } = opened.store;
  const watched = new Proxy(lanes, {
    get: (target, verb: keyof LaneStore) => {
      const call = target[verb].bind(target) as (...args: unknown[]) => Promise<unknown>;
      return (...args: unknown[]) => between(verb, args, () => call(...args));
    },
  });
  return { lanes: watched, nodes, subscriptions };
}

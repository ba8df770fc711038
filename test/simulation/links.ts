import { Problem } from '../../src/message/problem.js';
import type { Settlement } from '../../src/store/lane-store.js';
import type { MessageStore } from '../../src/store/message-store.js';
import { hasOnlyCursors } from '../../src/store/sql/settle.js';
import type { Owner, World } from './world.js';

/** How often things go wrong between a node and what it calls: probabilities per call. */
export interface LinkFaults {
  /** It fails and nothing was done. */
  lostCall: number;
  /** It was done, and the caller gets an error. */
  lostAnswer: number;
  /** As `lostAnswer`, and it is done a while after the caller got the error. */
  late: number;
  /** It takes up to `slowMsMax`. */
  slow: number;
  slowMsMax: number;
}

export const noFaults: LinkFaults = { lostCall: 0, lostAnswer: 0, late: 0, slow: 0, slowMsMax: 0 };

export interface LinkHost {
  world: World;
  owner: Owner;
  faults(): LinkFaults;
  /** Whether nothing gets through at all. */
  isCut(): boolean;
  /** What a caller gets that cannot reach it, or that loses the answer. */
  failure(): Error;
  noteFault(kind: string): void;
}

/**
 * Carries calls of a node to something outside of it, and the answers back, each as an event of its own: calls overtake
 * each other, take their time, and get lost on either way.
 */
export class Link {
  constructor(private readonly host: LinkHost) {}

  /** @param mayBeLate whether it may still be done after its caller got an error */
  call<T>(name: string, mayBeLate: boolean, work: () => Promise<T>): Promise<T> {
    const { world, owner } = this.host;
    const { random } = world;
    const fate = this.#fate(mayBeLate);
    const there = random.chance(0.7) ? 0 : random.int(0, 4);
    const back = 0.1 + random.next() * (fate === 'slow' ? this.host.faults().slowMsMax : 3);
    if (fate !== 'ok') world.trace(`${owner} ${name}: ${fate}`);
    if (fate !== 'ok' && fate !== 'slow') this.host.noteFault(`${fate} ${name}`);
    return new Promise<T>((resolve, reject) => {
      const fail = (): void => reject(this.host.failure());
      const answer = (settle: () => void): void => void world.after(back, owner, settle);
      const perform = (): void => {
        work().then(
          (value) => answer(() => (fate === 'lost-answer' ? fail() : resolve(value))),
          (error: unknown) => answer(() => reject(error)),
        );
      };
      if (fate === 'lost-call') answer(fail);
      else if (fate === 'late') {
        answer(fail);
        world.after(back + random.next() * (random.chance(0.8) ? 20 : 2_000), 'late', () => {
          work().catch(() => world.trace(`${owner} ${name}: failed late`));
        });
      } else if (there === 0) perform();
      else world.after(there, 'wire', perform);
    });
  }

  #fate(mayBeLate: boolean): 'ok' | 'slow' | 'lost-call' | 'lost-answer' | 'late' {
    if (this.host.isCut()) return 'lost-call';
    const { lostCall, lostAnswer, late, slow } = this.host.faults();
    let roll = this.host.world.random.next();
    if ((roll -= lostCall) < 0) return 'lost-call';
    if ((roll -= lostAnswer) < 0) return 'lost-answer';
    if ((roll -= late) < 0) return mayBeLate ? 'late' : 'lost-answer';
    return roll < slow ? 'slow' : 'ok';
  }
}

const onePacket = new Set(['half.prepare', 'lanes.release', 'nodes.renew', 'checks.postpone']);

/**
 * Whether a server gets the call as one packet with its COMMIT: it may still run one whose connection the caller has given up,
 * after what the caller does next. The others hold their locks from an earlier round trip on.
 */
function isOnePacket(verb: string, args: unknown[]): boolean {
  return verb === 'lanes.settle' ? (args[0] as Settlement[]).every(hasOnlyCursors) : onePacket.has(verb);
}

type Facet = Record<string, (...args: unknown[]) => Promise<unknown>>;

/** Sees and may change what is done for a call. */
export type Interceptor = (
  verb: string,
  args: unknown[],
  proceed: (args: unknown[]) => Promise<unknown>,
) => Promise<unknown>;

/** The store as one node sees it, over its link. */
export function linkedStore(store: MessageStore, link: Link, intercept: Interceptor): MessageStore {
  const linked: Record<string, unknown> = {
    description: store.description,
    batchBytesMax: store.batchBytesMax,
    now: () => link.call('now', false, () => store.now()),
    durability: () => link.call('durability', false, () => store.durability()),
    close: () => Promise.resolve(),
  };
  const facets = ['half', 'checks', 'streams', 'catalog', 'lookup', 'schedule', 'subscriptions', 'lanes'] as const;
  for (const name of [...facets, 'deadLetters', 'nodes', 'retention'] as const) {
    linked[name] = linkedFacet(name, store[name] as unknown as Facet, link, intercept);
  }
  return linked as unknown as MessageStore;
}

function linkedFacet(name: string, facet: Facet, link: Link, intercept: Interceptor): Facet {
  const methods: Facet = {};
  for (const method of Object.getOwnPropertyNames(Object.getPrototypeOf(facet))) {
    if (method === 'constructor') continue;
    const verb = `${name}.${method}`;
    const proceed = (args: unknown[]): Promise<unknown> => facet[method]!(...args);
    methods[method] = (...args) => link.call(verb, isOnePacket(verb, args), () => intercept(verb, args, proceed));
  }
  return methods;
}

export function storeAway(): Problem {
  return new Problem('unavailable', 'the store is away', { retryAfterMs: 1_000 });
}

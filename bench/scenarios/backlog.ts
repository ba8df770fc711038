import { median, type Figures } from '../figures.js';
import { fillBacklog } from '../fill.js';
import { summed, used } from '../measure.js';
import { Rig, type Usage } from '../rig.js';
import { scaled, type Scenario, type Trial } from '../scenario.js';

/** Delivered in one round, whose rate is one sample. */
const roundMessages = 10_000;
const warmUpPairs = 3;
const pairs = 40;

/** The rounds of one kind. */
class Rounds {
  readonly perSecond: number[] = [];
  readonly #before: Usage[] = [];
  readonly #after: Usage[] = [];
  #seconds = 0;

  async measure(rig: Rig, take: () => Promise<number>): Promise<void> {
    this.#before.push(await rig.usage());
    const startedAt = performance.now();
    this.perSecond.push(await take());
    this.#seconds += (performance.now() - startedAt) / 1000;
    this.#after.push(await rig.usage());
  }

  figures(): Figures {
    const messages = roundMessages * this.perSecond.length;
    return {
      deliveredPerSecond: median(this.perSecond),
      ...used(summed(this.#before), summed(this.#after), this.#seconds, messages),
    };
  }
}

/**
 * One broker and one consumer, by turns: 10,000 messages of a topic that has no more, and the next 10,000 of one that has ten
 * million. Which of the two comes first changes with each pair, so that neither gets the machine's better half.
 */
async function run(trial: Trial): Promise<Figures> {
  const turns = warmUpPairs + pairs;
  const small = Array.from({ length: turns }, (_, index) => ({
    name: `small-${index}`,
    count: roundMessages,
  }));
  const large = { name: 'large', count: scaled(trial, 10_000_000, (turns + 2) * roundMessages) };
  return Rig.use(trial.servers, { store: 'mysql' }, async (rig) => {
    const subscribe = (name: string) =>
      rig.subscription('pull', { mode: 'pull', maxInFlight: 2_000, startFrom: 'earliest' }, name);
    for (const { name } of [...small, large]) await rig.topic(name);
    await subscribe(large.name);
    const fillStartedAt = performance.now();
    await fillBacklog(rig, [...small, large]);
    const fillSeconds = (performance.now() - fillStartedAt) / 1000;
    await rig.startBroker();
    const options = { urls: rig.urls, subscriptions: [], max: 200, connections: 2 };
    const consumer = rig.worker('consumer', 'consume-pull', options);
    const take = (topic: string) => () => consumer.call<number>('take', { topic, group: 'pull', count: roundMessages });
    const of = { small: new Rounds(), large: new Rounds() };
    for (const [index, { name }] of small.entries()) {
      // Not sooner: what waits on a subscription of its own has a window of its own in memory.
      await subscribe(name);
      const turn = [
        { rounds: of.small, take: take(name) },
        { rounds: of.large, take: take(large.name) },
      ];
      if (index % 2 === 1) turn.reverse();
      for (const { rounds, take } of turn) await (index < warmUpPairs ? take() : rounds.measure(rig, take));
    }
    const { duplicates } = await consumer.call<{ duplicates: number }>('count');
    return figuresOf(of.small, of.large, { duplicates, peakMiB: rig.peaks() }, fillSeconds);
  });
}

/** Those of the ten million, and of the ten thousand beside them; their ratio is the median of the pairs'. */
function figuresOf(small: Rounds, large: Rounds, rest: Figures, fillSeconds: number): Figures {
  const figures = small.figures();
  return {
    ...large.figures(),
    ...rest,
    own: {
      'delivered/s of 10,000': figures.deliveredPerSecond!,
      '× that of 10,000': median(large.perSecond.map((rate, index) => rate / small.perSecond[index]!)),
      ...Object.fromEntries(
        Object.entries(figures.cpuMicrosPerMessage!).map(([name, micros]) => [`${name} µs of 10,000`, micros]),
      ),
      'statements of 10,000': figures.database!.statementsPerMessage,
      'seconds to fill': fillSeconds,
    },
  };
}

/** Whether much that waits makes delivery slower, or the broker larger. */
export const backlog: Scenario[] = [
  {
    id: 'backlog/10-million',
    title: `pull from a backlog of 10,000,000 and from backlogs of 10,000, by turns (medians of ${pairs} rounds of 10,000 each)`,
    runsMax: 1,
    run,
  },
];

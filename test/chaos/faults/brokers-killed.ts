import { delay, onMariadbWithBull, type Fault } from './fault.js';

const brokers = 3;

export const brokersKilled: Fault = {
  name: 'brokers.one-of-3-killed',
  what: 'SIGKILL of a random one of 3 brokers; it is started again when the others deliver what it owned',
  places: [onMariadbWithBull],
  shippedTimes: true,
  isTimed: true,
  prepare: async () => ({
    scene: { brokers },
    strike: async ({ scene, random, served }) => {
      const victim = random.integer(0, brokers - 1);
      const { at } = await scene.brokers[victim]!.kill();
      await served(at);
      scene.startBroker(victim);
      await scene.ready(victim);
      // It takes its share of the subscriptions before the next one is killed.
      await delay(random.integer(2_000, 4_000));
      return { at, healedAt: at };
    },
  }),
};

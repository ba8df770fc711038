import { randomBytes } from 'node:crypto';
import type { KillableServer } from '../../setup/killable-server.mjs';
import { delay, onMariadbInMemory, onMariadbWithBull, until, type Fault, type Stage } from './fault.js';
import { killableMariadb } from './killable-servers.js';

/** A store in a MariaDB of its own, beside the server of the applications. */
async function onServerOfItsOwn(strike: (server: KillableServer) => Stage['strike']): Promise<Stage> {
  const server = await killableMariadb();
  const storeAt = new URL(server.url);
  storeAt.pathname = `/chaos_${randomBytes(6).toString('hex')}`;
  return { scene: { storeAt: storeAt.href }, strike: strike(server), close: () => server.stop() };
}

export const mariadbKilled: Fault = {
  name: 'mariadb.killed',
  what: "SIGKILL of the store's server at any moment; it comes back after 0 to 3 s",
  places: [onMariadbWithBull, onMariadbInMemory],
  prepare: () =>
    onServerOfItsOwn((server) => async ({ observer, random }) => {
      const at = Date.now();
      await server.kill();
      await delay(random.integer(0, 3_000));
      await server.start();
      await observer.reconnect();
      return { at, healedAt: Date.now() };
    }),
};

export const mariadbKilledInCommit: Fault = {
  name: 'mariadb.killed.commit-on-the-wire',
  what: "SIGKILL of the store's server by the broker itself, right after it has sent a COMMIT",
  places: [onMariadbWithBull, onMariadbInMemory],
  prepare: () =>
    onServerOfItsOwn((server) => async ({ scene, observer, random }) => {
      const step = 'store.commit.on-the-wire';
      scene.brokers[0]!.arm({ step, nth: random.integer(1, 40), victimPid: server.pid });
      await until('a commit is on the wire', () => server.hasEnded);
      const at = scene.kills.findLast((kill) => kill.step === step && kill.victimPid === server.pid)!.at;
      await delay(random.integer(0, 1_000));
      await server.start();
      await observer.reconnect();
      return { at, healedAt: Date.now() };
    }),
};

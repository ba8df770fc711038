import { KillableServer } from '../../setup/killable-server.mjs';
import { askNats, natsArguments, natsServer } from '../../setup/nats-server.mjs';
import { freePort, temporaryFolder } from '../../setup/private-server.mjs';
import { programOf } from '../../setup/program-of.js';
import { askRabbitmq, prepareRabbitmq, rabbitmqServer } from '../../setup/rabbitmq-server.mjs';

/** A RabbitMQ of one suite, with a name server of its own. */
export async function killableRabbitmq(): Promise<KillableServer> {
  const folder = temporaryFolder();
  const { stopNames: ended, ...node } = await prepareRabbitmq(await programOf(rabbitmqServer), folder);
  return KillableServer.started({ ...node, args: [], folder, ask: askRabbitmq, ended });
}

/** A NATS of one suite, on a port of its own. */
export async function killableNats(): Promise<KillableServer> {
  const port = await freePort();
  const program = await programOf(natsServer);
  const plan = { url: `nats://127.0.0.1:${port}`, program, args: natsArguments(port), ask: askNats };
  return KillableServer.started({ ...plan, folder: temporaryFolder() });
}

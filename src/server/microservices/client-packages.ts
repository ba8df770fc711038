import { createRequire } from 'node:module';
import type { TransportKind, TransportSettings } from '../../config/microservices.js';
import { SettingsError } from '../../config/settings-error.js';

const ours = createRequire(import.meta.url);

/** The packages that `@nestjs/microservices` loads for each transport. It ends the process when one is missing. */
const packagesOf: Record<TransportKind, string[]> = {
  tcp: [],
  redis: ['ioredis'],
  nats: ['@nats-io/transport-node'],
  rmq: ['amqplib', 'amqp-connection-manager'],
  kafka: ['kafkajs'],
};

/** Throws a `SettingsError` that names every package that the named transports need and that is not installed. */
export function checkPackages(transports: Record<string, TransportSettings>): void {
  const problems = Object.entries(transports).flatMap(([name, { transport }]) => {
    const missing = missingPackages(transport);
    if (missing.length === 0) return [];
    const list = missing.join(' ');
    return [`HALFBOX_MICROSERVICES: ${name} (${transport}) needs ${list}: npm install ${list}`];
  });
  if (problems.length > 0) throw new SettingsError(problems);
}

/** What a transport needs and is not installed. */
export function missingPackages(kind: TransportKind): string[] {
  const nest = ['@nestjs/microservices', 'rxjs'].filter((name) => !isInstalled(name, ours));
  if (nest.length > 0) return [...nest, ...packagesOf[kind].filter((name) => !isInstalled(name, ours))];
  return packagesOf[kind].filter((name) => !isInstalled(name, theirs()));
}

/** A client package, as `@nestjs/microservices` finds it. */
export function clientPackage<Package>(name: string): Package {
  return theirs()(name) as Package;
}

function theirs(): NodeJS.Require {
  return createRequire(ours.resolve('@nestjs/microservices'));
}

function isInstalled(name: string, from: NodeJS.Require): boolean {
  try {
    from.resolve(name);
    return true;
  } catch {
    return false;
  }
}

#!/usr/bin/env node
import 'reflect-metadata';
import { Command, Option } from 'commander';
import { closest } from 'fastest-levenshtein';
import { pino } from 'pino';
import { dialects, type Dialect } from './client/local/dialect.js';
import { createStatements } from './client/local/tables.js';
import { readEnvironment } from './config/read-environment.js';
import { SettingsError } from './config/settings-error.js';
import { giveBackLoadingMemory } from './runtime/loading-memory.js';
import { startNode, type RunningNode } from './server/node.js';
import { packageVersion } from './server/version.js';
import { migrate } from './store/open-store.js';
import { StoreStartError } from './store/store-start-error.js';

const version = packageVersion();

/** What a start prints for the person who started it. */
function greeting({ url, storeDescription }: RunningNode, withKeys: boolean): string {
  const key = withKeys ? " -H 'authorization: Bearer YOUR-SECRET'" : '';
  return `
Halfbox ${version} listens on ${url} (API docs: ${url}/docs)
Data: ${storeDescription}

Try it:
  curl -X PUT ${url}/v1/subscriptions/greetings/trial${key} -H 'content-type: application/json' -d '{"mode":"pull","startFrom":"earliest"}'
  curl ${url}/v1/messages${key} -H 'content-type: application/json' -d '{"topic":"greetings","body":{"hello":1}}'
  curl -X POST ${url}/v1/subscriptions/greetings/trial/receive${key}
`;
}

/** One clear line for what a person can put right; a stack only for a defect. */
function fail(error: unknown): never {
  const expected = error instanceof SettingsError || error instanceof StoreStartError;
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') console.error(`halfbox: ${(error as Error).message}; HALFBOX_PORT sets another port`);
  else if (expected || code === 'EACCES') console.error(`halfbox: ${(error as Error).message}`);
  else console.error('halfbox:', error);
  process.exit(1);
}

async function start(): Promise<void> {
  const settings = readEnvironment(process.env);
  const logger = pino({ level: settings.logLevel, redact: ['req.headers.authorization'] });
  // Until it has started there is nothing that could be finished.
  let stop: (signal: NodeJS.Signals) => void = () => process.exit(130);
  process.on('SIGINT', (signal) => stop(signal));
  process.on('SIGTERM', (signal) => stop(signal));
  const node = await startNode(settings, logger, version);
  stop = (signal) => {
    stop = () => process.exit(130);
    logger.info({ signal }, 'stopping; a second signal ends it at once');
    node.stop().then(() => process.exit(0), fail);
  };
  console.log(greeting(node, settings.apiKeys.count > 0));
  await giveBackLoadingMemory();
}

function refuse(word: string): never {
  const meant = closest(
    word,
    program.commands.map((command) => command.name()),
  );
  return program.error(`halfbox: there is no command ${word}; did you mean ${meant}? (halfbox --help lists them)`);
}

const program = new Command('halfbox').description('Transactional messages on the database you run').version(version);
program
  .command('start', { isDefault: true })
  .description('run a broker; it is set up by HALFBOX_… environment variables')
  // As the default it is given every word that is no command.
  .allowExcessArguments()
  .action((_options, { args: [word] }: Command) => (word === undefined ? start().catch(fail) : refuse(word)));
program
  .command('migrate')
  .description("bring the store's schema up to date, and end")
  .action(async () => {
    const ran = await migrate(readEnvironment(process.env).storeUrl).catch(fail);
    console.log(ran.length === 0 ? 'The schema is up to date.' : `Ran ${ran.join(', ')}.`);
  });
program
  .command('client-sql')
  .description("print the SQL that makes Halfbox's tables in an application's database")
  .addOption(new Option('--dialect <dialect>', 'of the database').choices(dialects).makeOptionMandatory())
  .option('--schema <schema>', 'of PostgreSQL; without it the first one of the search path')
  .action(({ dialect, schema }: { dialect: Dialect; schema?: string }) => {
    for (const statement of createStatements(dialect, schema)) console.log(`${statement};`);
  });
await program.parseAsync();

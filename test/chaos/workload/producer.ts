import { createServer } from 'node:http';
import { connect, httpAnswers, type Answer } from '../../../src/client/index.js';
import type { Decision, ProducerEntry } from '../facts.js';
import { Journal, readJournal } from '../journal.js';
import { Random } from '../random.js';
import { applicationDatabase } from './database.js';
import { BrokerHttp } from './http.js';
import { localOperations } from './local-operations.js';
import { rawOperations } from './raw-operations.js';
import type { Operation, Orders } from './operation.js';

/**
 * The producer of the workload: some actors, each doing one thing after the other. It writes down what it is about to do before
 * it does it, and what it was answered. Run as a process of its own, by the scene.
 */
interface ProducerOptions {
  urls: string[];
  database: string;
  journal: string;
  checkPort: number;
  checkSecret: string;
  instance: string;
  seed: number;
  actors: number;
  pauseMs: number;
}

const options = JSON.parse(process.argv[2]!) as ProducerOptions;
const random = new Random(options.seed);

/** What was decided by those before it is known to a successor. */
const decisions = new Map<string, Decision>();
/** Transactions that nobody can be asked about, by their orders. */
const mute = new Map<string, { transaction: string; decision: Decision }>();
for (const entry of readJournal<ProducerEntry>(options.journal)) note(entry);

const journal = new Journal<ProducerEntry>(options.journal, true);
const write = (entry: ProducerEntry): void => {
  note(entry);
  journal.write(entry);
};

function note(entry: ProducerEntry): void {
  if (entry.kind === 'answered' && entry.what !== 'prepared') mute.delete(entry.order);
  if (entry.kind !== 'intended' || entry.transaction === undefined) return;
  const { order, transaction, decision } = entry;
  decisions.set(transaction, decision);
  if (entry.mute) mute.set(order, { transaction, decision });
}

const dataSource = await applicationDatabase(options.database);
const connection = connect({ endpoints: options.urls });
const opened = await connection.open({
  producer: 'shop',
  instance: options.instance,
  dataSource,
  outbox: { intervalMs: 100, leaseMs: 400, awayMsMax: 200 },
  localTransactionMsMax: 1_000,
  timeoutMs: 20_000,
  retries: 60,
  tryTimeoutMs: 2_000,
});

const answer = ({ transactionId }: { transactionId: string }): Answer => {
  const decision = decisions.get(transactionId);
  return decision === 'commit' || decision === 'rollback' ? decision : 'unknown';
};
const questions = createServer(
  httpAnswers({ secret: options.checkSecret, answerer: { answer: async (q) => answer(q) } }),
);
questions.listen(options.checkPort, '127.0.0.1');

let count = 0;
const orders: Orders = {
  random,
  write,
  next: () => `${options.instance}-${options.seed}-${process.pid}-${(count += 1)}`,
};
const raw = rawOperations(new BrokerHttp(options.urls), orders, options.instance);
const operations: Operation[] = [...localOperations(opened, dataSource, orders), ...raw.operations];
const weights = operations.reduce((sum, { weight }) => sum + weight, 0);

let paused = false;
const actors = Array.from({ length: options.actors }, () => act());

async function act(): Promise<void> {
  while (!paused) {
    let left = random.next() * weights;
    const operation = operations.find(({ weight }) => (left -= weight) < 0) ?? operations[0]!;
    await operation.run();
    await new Promise((resolve) => setTimeout(resolve, random.next() * 2 * options.pauseMs));
  }
}

interface Question {
  id: number;
  do: 'pause' | 'resolve';
}

process.on('message', (message: Question | object) => {
  if ('do' in message) void obey(message);
});

/** `pause`: begins nothing more, and answers when all that was begun has ended. `resolve`: ends what nobody could be asked about. */
async function obey({ id, do: what }: Question): Promise<void> {
  if (what === 'pause') {
    paused = true;
    await Promise.all(actors);
  } else {
    for (const [order, { transaction, decision }] of mute) {
      await raw.resolve(order, transaction, decision === 'commit' ? 'commit' : 'rollback');
    }
  }
  process.send?.({ answerTo: id });
}

process.on('unhandledRejection', (error) => {
  console.error('unhandled', error);
  process.exit(1);
});
process.send?.({ answerTo: 'ready' });

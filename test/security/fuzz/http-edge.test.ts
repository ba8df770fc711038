import fc from 'fast-check';
import { mysqlServer, sqliteServer, type StoreServer } from '../../store/databases.js';
import { FuzzedBroker } from './fuzzed-broker.js';
import { Judge } from './judge.js';
import { operationsOf, type OpenApiDocument } from './open-api-document.js';
import { requestTo, type FuzzRequest } from './requests.js';
import { requests, seed } from './runs.js';

/** Requests that are sent at the same time. */
const batch = 12;
/** What may stay of the refused requests that are sent again and again: less than a hundred bytes of each. */
const heapGrowthMax = 2 * 1024 * 1024;

describe.each<[string, StoreServer, number, number, string]>([
  ['one broker on SQLite', sqliteServer, 1, Math.max(20_000, requests), '0'],
  ['two brokers on MariaDB', mysqlServer, 2, Math.max(4_000, requests), '0'],
  ['a broker with HTTP workers', sqliteServer, 1, Math.max(4_000, requests), '2'],
])(
  `%s, sent whatever its document describes and more (seed ${seed})`,
  (_name, server, count, refusedRepeats, workers) => {
    jest.setTimeout(240_000 + requests * 60);
    const brokers: FuzzedBroker[] = [];
    const refused: FuzzRequest[] = [];
    let place: { url: string; remove(): Promise<void> };
    let document: OpenApiDocument;
    let judge: Judge;

    beforeAll(async () => {
      place = await server.provide();
      const environment = { HALFBOX_STORE_URL: place.url, HALFBOX_WORKERS: workers };
      while (brokers.length < count) brokers.push(await FuzzedBroker.start(environment));
      document = (await brokers[0]!.process.get('/openapi.json')).body as OpenApiDocument;
      judge = new Judge(document);
    });

    afterAll(async () => {
      await Promise.all(brokers.map((broker) => broker.stop()));
      await place.remove();
    });

    it('answers each request in time, as documented, and never fails', async () => {
      const anyRequest = fc.oneof(
        ...operationsOf(document).map((operation) => ({
          arbitrary: requestTo(operation, document),
          // Where everything is deleted at once there is nothing left to break.
          weight: operation.method === 'DELETE' ? 1 : 5,
        })),
      );
      const all = fc.array(anyRequest, { minLength: batch, maxLength: batch });
      const answersAll = fc.asyncProperty(all, async (sent) => {
        await Promise.all(
          sent.map(async (request, index) => {
            const answer = await brokers[index % count]!.send(request);
            judge.check(request, answer);
            if (answer.status >= 400 && refused.length < 2_000) refused.push(request);
          }),
        );
      });
      const numRuns = Math.ceil(requests / batch);
      const run = await fc.check(answersAll, { seed, numRuns, interruptAfterTimeLimit: requests * 60 });
      // The error names the request that is left after shrinking; the others of its batch would only hide it.
      if (run.failed) throw new Error(`seed ${run.seed}, run ${run.numRuns}`, { cause: run.errorInstance });
      // That a run was no run of refusals only.
      const done = [...judge.seen.values()].filter((statuses) => [...statuses].some((status) => status < 300));
      expect(done.length).toBeGreaterThan(30);
    });

    it('keeps nothing of the requests that it refuses', async () => {
      const [broker] = brokers;
      const sendAll = async (times: number): Promise<void> => {
        let next = 0;
        const sender = async (): Promise<void> => {
          for (; next < times; next += 1) await broker!.send(refused[next % refused.length]!);
        };
        await Promise.all(Array.from({ length: batch }, sender));
      };
      // What is made once, on the way, is made now.
      await sendAll(refused.length);
      const before = await broker!.heapBytes();
      await sendAll(refusedRepeats);
      const after = await broker!.heapBytes();
      expect(after - before).toBeLessThan(heapGrowthMax);
    });
  },
);

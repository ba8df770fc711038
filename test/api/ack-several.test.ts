import { AckSeveral } from '../../src/api/ack-several.js';
import type { NodeAnswer } from '../../src/api/node-client.js';
import type { OwnerRoute } from '../../src/api/owner-route.js';
import type { Services } from '../../src/api/services.js';
import { Problem } from '../../src/message/problem.js';
import { silentLogger } from '../../src/runtime/logger.js';

describe('acknowledging deliveries of several subscriptions', () => {
  const json = (status: number, body: unknown): NodeAnswer => ({
    status,
    contentType: 'application/json',
    retryAfter: undefined,
    text: typeof body === 'string' ? body : JSON.stringify(body),
  });

  /** `ok` is owned here; of the others the owners answer, or something else does. */
  function acking(elsewhere: Record<string, NodeAnswer | Error>): AckSeveral {
    const services = {
      pull: {
        ack: (_topic: string, _group: string, receipts: string[]) =>
          Promise.resolve(receipts.map(() => ({ value: true }))),
      },
      relay: { owned: (topic: string) => (topic === 'ok' ? {} : null) },
      takeOverWaitMs: 1_000,
      logger: silentLogger,
    } as unknown as Services;
    const owners = {
      run: async (_request: unknown, { topic }: { topic: string }, here: () => Promise<unknown>) => {
        const answer = elsewhere[topic];
        if (answer === undefined) return { here: await here() };
        if (answer instanceof Error) throw answer;
        return { passedOn: answer };
      },
    } as unknown as OwnerRoute;
    return new AckSeveral(services, owners);
  }

  const kinds = async (elsewhere: Record<string, NodeAnswer | Error>): Promise<string[]> => {
    const deliveries = ['ok', ...Object.keys(elsewhere), 'ok'].map((topic) => ({ topic, group: 'g', receipt: topic }));
    const results = await acking(elsewhere).run({ fromNode: false }, deliveries);
    expect(results.map(({ receipt }) => receipt)).toEqual(deliveries.map(({ receipt }) => receipt));
    return results.map((result) => ('ok' in result ? 'ok' : result.problem.type.split(':').at(-1)!));
  };

  it('a part that fails, in whatever way, leaves the others as they ended', async () => {
    const refused = {
      type: 'urn:halfbox:problem:wrong-mode',
      title: 'Wrong mode',
      status: 409,
      detail: 'it is queued',
    };
    expect(
      await kinds({
        page: json(502, '<html>Bad gateway</html>'),
        odd: json(200, '<html>Welcome</html>'),
        short: json(200, { results: [] }),
        nothing: json(200, { results: [null] }),
        words: json(200, { results: ['done'] }),
        neither: json(200, { results: [{ receipt: 'neither', problem: { type: 'x', status: 409, errors: 5 } }] }),
        none: json(200, null),
        other: json(504, { message: 'upstream' }),
        refused: json(409, refused),
        problem: new Problem('subscription-not-found', 'there is none'),
        failure: new TypeError('a defect'),
        done: json(200, { results: [{ receipt: 'done', ok: true }] }),
      }),
    ).toEqual([
      'ok',
      ...Array.from({ length: 8 }, () => 'unavailable'),
      'wrong-mode',
      'subscription-not-found',
      'internal',
      'ok',
      'ok',
    ]);
  });
});

import type { LeftCall, WorkerAnswer, WorkerCall } from '../../src/http-worker/call-channel.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { CallsOfWorker } from '../../src/server/worker-calls.js';

describe('the calls of an HTTP worker', () => {
  const call = (id: number): WorkerCall => [id, 'POST', '/v1/subscriptions/orders/billing/receive', {}, null];
  const serving = () => {
    const left: number[] = [];
    const answers: WorkerAnswer[] = [];
    const answering = new Map<number, { resolve(answer: object): void; reject(error: Error): void }>();
    const begin = ([id]: WorkerCall) => ({
      answer: new Promise<never>((resolve, reject) => answering.set(id, { resolve: resolve as never, reject })),
      leave: () => left.push(id),
    });
    const send = (answer: WorkerAnswer) => answers.push(answer);
    const calls = new CallsOfWorker({ send }, begin, silentLogger);
    const answer = async (id: number): Promise<void> => {
      answering.get(id)!.resolve({ status: 200, headers: {}, body: '{}' });
      await Promise.resolve();
    };
    const breakOff = async (id: number): Promise<void> => {
      answering.get(id)!.reject(new Error('broken'));
      await Promise.resolve();
    };
    return { calls, left, answers, answer, breakOff, answering };
  };

  it('are left one by one when their callers go, and not after their answer', async () => {
    const { calls, left, answers, answer } = serving();
    calls.received(call(1));
    calls.received(call(2));
    calls.received([1] satisfies LeftCall);
    await answer(2);
    calls.received([2] satisfies LeftCall);
    expect([left, answers]).toEqual([[1], [[2, 200, {}, '{}']]]);
  });

  it('are all left when the worker has ended', async () => {
    const { calls, left, answer, answering } = serving();
    for (const id of [1, 2, 3]) calls.received(call(id));
    await answer(2);
    calls.end();
    expect(left).toEqual([1, 3]);
    // It was still in the pipe.
    calls.received(call(4));
    expect(left).toEqual([1, 3]);
    expect(answering.has(4)).toBe(false);
  });

  it('are answered 500 where they break off, unless their callers have gone', async () => {
    const { calls, answers, breakOff } = serving();
    calls.received(call(1));
    calls.received(call(2));
    calls.received([2]);
    await breakOff(1);
    await breakOff(2);
    expect(answers.map(([id, status]) => [id, status])).toEqual([[1, 500]]);
  });
});

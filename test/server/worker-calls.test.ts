import type { LeftCall, WorkerAnswer, WorkerCall } from '../../src/http-worker/call-channel.js';
import { CallsOfWorker } from '../../src/server/worker-calls.js';

describe('the calls of an HTTP worker', () => {
  const call = (id: number): WorkerCall => [id, 'POST', '/v1/subscriptions/orders/billing/receive', {}, null];
  const serving = () => {
    const left: number[] = [];
    const answers: WorkerAnswer[] = [];
    const answering = new Map<number, (answer: { status: number; headers: object; body: string }) => void>();
    const calls = new CallsOfWorker({ send: (answer: WorkerAnswer) => answers.push(answer) }, ([id]) => ({
      answer: new Promise((resolve) => answering.set(id, resolve as never)),
      leave: () => left.push(id),
    }));
    const answer = async (id: number): Promise<void> => {
      answering.get(id)!({ status: 200, headers: {}, body: '{}' });
      await Promise.resolve();
    };
    return { calls, left, answers, answer };
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
    const { calls, left, answer } = serving();
    for (const id of [1, 2, 3]) calls.received(call(id));
    await answer(2);
    calls.end();
    expect(left).toEqual([1, 3]);
  });
});

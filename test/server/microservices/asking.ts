import type { INestMicroservice } from '@nestjs/common';
import type { MicroserviceOptions } from '@nestjs/microservices';
import type { SettingOptions } from '../../../src/config/settings.js';
import { RunningBroker } from '../../api/running-broker.js';
import { asked, startCheckingService } from './checking-service.js';

export interface AskingPlan {
  /** The transport as the broker's operator names it. */
  transport: NonNullable<SettingOptions['microservices']>[string];
  /** The producer's side of it. */
  service: MicroserviceOptions;
  /** What an ask ends with where nobody has the pattern. */
  withoutHandler: 'unreachable' | 'timeout';
  /** What an ask ends with while the producer's service is stopped. */
  withoutService: 'unreachable' | 'timeout';
}

/** Asks a real NestJS microservice through a whole broker. @param plan made before the first test */
export function asksOver(plan: () => Promise<AskingPlan>): void {
  let broker: RunningBroker;
  let service: INestMicroservice;
  let options: AskingPlan;

  beforeAll(async () => {
    options = await plan();
    service = await startCheckingService(options.service);
    broker = await RunningBroker.start({
      microservices: { bus: options.transport },
      firstCheckAfterMs: 3_600_000,
      checkTimeoutMs: 2_000,
    });
    await checkedBy('shop', 'orders.check');
  }, 90_000);

  afterAll(async () => {
    await broker?.stop();
    await service?.close();
  });

  function checkedBy(producer: string, pattern: string) {
    return broker.put(`/v1/producers/${producer}`, { checkBack: { type: 'microservice', transport: 'bus', pattern } });
  }

  /** Prepares a transaction, has its producer asked, and answers how that ended. */
  async function check(id: string, producer = 'shop') {
    const messages = [{ topic: 'orders', body: { order: id } }];
    await broker.post('/v1/transactions', { id, producer, instance: 'instance-1', messages });
    const { body } = await broker.post(`/v1/transactions/${id}/check`);
    return { state: body.state as string, ...(body.checks.at(-1) as { outcome: string; error?: string }) };
  }

  it.each([
    ['done-1', 'committed', 'commit'],
    ['undone-1', 'rolled_back', 'rollback'],
    ['open-1', 'prepared', 'unknown'],
    ['several-1', 'rolled_back', 'rollback'],
  ])('%s is %s by the answer %s', async (id, state, outcome) => {
    expect(await check(id)).toMatchObject({ state, outcome });
  });

  it('gives the handler the question of the other ways to ask', async () => {
    await check('open-2');
    const question = asked.findLast(({ transactionId }) => transactionId === 'open-2')!;
    expect(question).toMatchObject({ producer: 'shop', attempt: 1, instance: 'instance-1' });
    expect(question.messages).toEqual([{ id: expect.any(String), topic: 'orders', body: { order: 'open-2' } }]);
    expect(Date.parse(question.askedAt)).toBeGreaterThanOrEqual(Date.parse(question.preparedAt));
  });

  it.each([
    ['bare-1', 'invalid', 'the answer has no valid resolution'],
    ['failing-1', 'invalid', 'the handler failed'],
    ['silent-1', 'timeout', 'no answer within 2000 ms'],
  ])('%s is not answered: %s', async (id, outcome, error) => {
    expect(await check(id)).toMatchObject({ state: 'prepared', outcome, error });
  });

  it('a pattern that nobody has is not answered', async () => {
    await checkedBy('lonely', 'nobody.is.there');
    expect(await check('done-2', 'lonely')).toMatchObject({ state: 'prepared', outcome: options.withoutHandler });
  });

  it('a service that is away is not answered, and one that came back is', async () => {
    await service.close();
    expect(await check('done-3')).toMatchObject({ state: 'prepared', outcome: options.withoutService });
    service = await startCheckingService(options.service);
    expect(await check('done-3')).toMatchObject({ state: 'committed', outcome: 'commit' });
  });
}

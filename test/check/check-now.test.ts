import { answering, hanging } from '../callback/target-server.js';
import { CheckFixture, commit } from './check-fixture.js';

describe('CheckBack.checkNow', () => {
  let fixture: CheckFixture;
  beforeEach(async () => {
    fixture = await CheckFixture.fresh();
  });
  afterEach(() => fixture.close());

  it('asks before the check is due', async () => {
    const server = await fixture.server(commit);
    await fixture.producer('shop', server.url);
    await fixture.prepare('shop', 'a');
    await fixture.checkBack().checkNow('a');
    expect(await fixture.transaction('a')).toMatchObject({ state: 'committed', resolvedBy: 'check' });
  });

  it('asks a producer that is backed off, and its answer ends the back-off', async () => {
    const server = await fixture.server(answering(500));
    await fixture.producer('shop', server.url);
    await fixture.prepare('shop', 'a', 'b');
    const checkBack = fixture.checkBack();
    await fixture.pass(checkBack, 6_000);
    server.reply = commit;
    await checkBack.checkNow('a');
    expect((await fixture.transaction('a')).state).toBe('committed');
    expect(await fixture.reachable(checkBack, 'shop')).toBe(true);
  });

  it('asks nothing about final and unknown transactions', async () => {
    const server = await fixture.server(commit);
    await fixture.producer('shop', server.url);
    await fixture.prepare('shop', 'a');
    await fixture.resolve('a', 'rollback', 'client');
    await fixture.checkBack().checkNow('a');
    await fixture.checkBack().checkNow('nobody');
    expect(server.calls).toEqual([]);
  });

  it('waits for the ask of another node', async () => {
    let answer = () => {};
    const server = await fixture.server((call, response) => {
      answer = () => commit(call, response);
      called();
    });
    let called = () => {};
    const isAsked = new Promise<void>((resolve) => (called = resolve));
    await fixture.producer('shop', server.url);
    await fixture.prepare('shop', 'a');
    const first = fixture.checkBack().checkNow('a');
    await isAsked;
    const second = fixture.checkBack().checkNow('a');
    answer();
    await Promise.all([first, second]);
    expect(server.calls).toHaveLength(1);
    expect((await fixture.transaction('a')).state).toBe('committed');
  });

  it('is bounded', async () => {
    const server = await fixture.server(hanging);
    await fixture.producer('shop', server.url);
    await fixture.prepare('shop', 'a', 'b');
    const checkBack = fixture.checkBack({ checkNowMax: 1, checkTimeoutMs: 300 });
    const first = checkBack.checkNow('a');
    await expect(checkBack.checkNow('b')).rejects.toMatchObject({ slug: 'overloaded' });
    await first;
  });
});

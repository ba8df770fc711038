import type { ReceivedCall } from '../callback/target-server.js';
import { describeEachStore, type TestStore } from '../store/databases.js';
import { CheckFixture } from './check-fixture.js';

const idOf = ({ text }: ReceivedCall) => (JSON.parse(text) as { transactionId: string }).transactionId;

describeEachStore('two check-backs', (open) => {
  let opened: TestStore;
  let fixture: CheckFixture;
  beforeAll(async () => {
    opened = await open();
    fixture = await CheckFixture.on(opened.store);
  });
  afterAll(() => fixture.close());

  it('never ask about the same transaction at once, and together ask about all', async () => {
    const underWay = new Set<string>();
    const twice: string[] = [];
    const server = await fixture.server((call, response) => {
      const id = idOf(call);
      if (underWay.has(id)) twice.push(id);
      underWay.add(id);
      setImmediate(() => {
        underWay.delete(id);
        response.end('{"resolution":"unknown"}');
      });
    });
    await fixture.producer('shop', server.url, { checkIntervalMs: 100, checkMax: 3 });
    const ids = Array.from({ length: 60 }, (_, index) => `race-${index}`);
    await fixture.prepare('shop', ...ids);
    const nodes = [
      fixture.checkBack({ claimMax: 20 }),
      fixture.checkBack({ claimMax: 20 }, await opened.another()),
      fixture.checkBack({ claimMax: 20 }, await opened.another()),
    ];
    fixture.clock.time += 6_000;
    for (let round = 0; round < 3; round += 1) {
      await Promise.all(nodes.map((node) => node.runOnce(fixture.clock.time)));
      fixture.clock.time += 100;
    }
    expect(twice).toEqual([]);
    expect(server.calls).toHaveLength(ids.length * 3);
    for (const id of ids) expect((await fixture.transaction(id)).state).toBe('parked');
  });
});

import { randomUUID } from 'node:crypto';
import {
  drainedBytesMax,
  resultTooLarge,
  returnedBytesMax,
  type EngineOutcome,
  type EngineQueue,
  type EngineWorker,
  type JobHandler,
  type QueueEngine,
} from '../../src/queue/queue-engine.js';
import { until } from './until.js';

function job(id: string, fields: Record<string, unknown> = {}) {
  return { id, json: JSON.stringify({ id, ...fields }) };
}

function pack(id: string, ...tries: string[]) {
  return { id: `+${id}`, json: JSON.stringify({ messages: tries.map((name) => ({ id: name })) }), tries };
}

function gate(): { opened: Promise<void>; open: () => void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}

/** What every queue engine does. `start` makes one; it is closed by the suite. */
export function queueEngineConformance(
  name: string,
  start: () => Promise<{ engine: QueueEngine; stop(): Promise<void> }>,
) {
  describe(`queue engine: ${name}`, () => {
    let engine: QueueEngine;
    let stop: () => Promise<void>;
    let topic: string;
    let queue: EngineQueue;
    let workers: EngineWorker[];

    beforeAll(async () => ({ engine, stop } = await start()));
    afterAll(() => stop());
    beforeEach(() => {
      topic = `orders-${randomUUID()}`;
      queue = engine.open(topic, 'mail');
      workers = [];
    });
    afterEach(async () => {
      await Promise.all(workers.map((worker) => worker.close()));
      await queue.obliterate();
      await queue.close();
    });

    function work(handler: JobHandler, concurrency = 1): void {
      workers.push(engine.process(topic, 'mail', concurrency, handler));
    }

    async function drained(count: number): Promise<EngineOutcome[]> {
      return until(`${count} outcomes`, async () => {
        const outcomes = await queue.drain(1000);
        return outcomes.length >= count && outcomes;
      });
    }

    it('answers', async () => {
      await expect(engine.ping()).resolves.toBeUndefined();
    });

    it('hands jobs to the handler in their order, with their data', async () => {
      const seen: unknown[] = [];
      await queue.enqueue([job('a:0:1', { body: { n: 1 } }), job('b:0:1', { text: 'ü "quoted"' })]);
      await queue.enqueue([job('c:0:1')]);
      work((message) => void seen.push(message));
      await drained(3);
      expect(seen).toEqual([{ id: 'a:0:1', body: { n: 1 } }, { id: 'b:0:1', text: 'ü "quoted"' }, { id: 'c:0:1' }]);
    });

    it('reports success and failure with its reason, again and again until removed', async () => {
      work((message) => {
        if (message.id === 'bad:0:1') throw new Error('no stock');
      });
      await queue.enqueue([job('good:0:1'), job('bad:0:1')]);
      const expected = expect.arrayContaining([
        { id: 'good:0:1', ok: true },
        { id: 'bad:0:1', ok: false, error: 'no stock' },
      ]);
      expect(await drained(2)).toEqual(expected);
      expect(await queue.drain(10)).toEqual(expected);
      await queue.remove(['good:0:1', 'bad:0:1']);
      expect(await queue.drain(10)).toEqual([]);
      expect(await queue.missing(['good:0:1', 'bad:0:1'])).toEqual(['good:0:1', 'bad:0:1']);
    });

    it('runs at most `concurrency` jobs at once', async () => {
      let running = 0;
      let most = 0;
      work(async () => {
        most = Math.max(most, ++running);
        await new Promise(setImmediate);
        running--;
      }, 3);
      await queue.enqueue(Array.from({ length: 40 }, (_, n) => job(`m${n}:0:1`)));
      await drained(40);
      expect(most).toBeLessThanOrEqual(3);
    });

    it('leaves a job whose id is there already as it is, in every state', async () => {
      const { opened, open } = gate();
      const runs: unknown[] = [];
      await queue.enqueue([job('a:0:1', { first: true })]);
      await queue.enqueue([job('a:0:1', { first: false })]);
      work(async (message) => {
        runs.push(message);
        await opened;
      });
      await until('the job runs', () => runs.length);
      await queue.enqueue([job('a:0:1')]);
      open();
      await drained(1);
      await queue.enqueue([job('a:0:1'), job('b:0:1')]);
      await drained(2);
      expect(runs).toEqual([{ id: 'a:0:1', first: true }, { id: 'b:0:1' }]);
    });

    it('knows waiting, running and ended jobs, and which ids it does not know', async () => {
      const { opened, open } = gate();
      let running = false;
      work(async (message) => {
        if (message.id === 'ended:0:1') return;
        running = true;
        await opened;
      });
      await queue.enqueue([job('ended:0:1'), job('running:0:1'), job('waiting:0:1')]);
      await until('a job runs', () => running);
      const ids = ['ended:0:1', 'running:0:1', 'waiting:0:1', 'never:0:1', 'running:0:2'];
      expect(await queue.missing(ids)).toEqual(['never:0:1', 'running:0:2']);
      open();
    });

    it('removes only what has ended', async () => {
      await queue.enqueue([job('a:0:1')]);
      await queue.remove(['a:0:1', 'never:0:1']);
      expect(await queue.missing(['a:0:1'])).toEqual([]);
      work(() => {});
      expect(await drained(1)).toEqual([{ id: 'a:0:1', ok: true }]);
    });

    it('drains at most `max`, and neither kind of outcome hides the other', async () => {
      work((message) => {
        if (String(message.id).startsWith('bad')) throw new Error('no');
      });
      await queue.enqueue(Array.from({ length: 20 }, (_, n) => job(`${n < 10 ? 'good' : 'bad'}${n}:0:1`)));
      await drained(20);
      const some = await queue.drain(4);
      expect(some.map((outcome) => outcome.ok).sort()).toEqual([false, false, true, true]);
      await queue.remove((await queue.drain(1000)).filter(({ ok }) => ok).map(({ id }) => id));
      expect(await queue.drain(4)).toHaveLength(4);
    });

    it('clears away waiting jobs that are not to be retained, and no others', async () => {
      const { opened, open } = gate();
      let running = false;
      work(async (message) => {
        if (message.id !== 'running:0:1') return;
        running = true;
        await opened;
      });
      await queue.enqueue([job('ended:0:1'), job('running:0:1'), job('mine:0:1'), job('old:0:1'), job('older:0:1')]);
      await until('a job runs', () => running);
      expect(await queue.retainWaiting(['mine:0:1', 'never:0:1'])).toBe(2);
      const ids = ['ended:0:1', 'running:0:1', 'mine:0:1', 'old:0:1', 'older:0:1'];
      expect(await queue.missing(ids)).toEqual(['old:0:1', 'older:0:1']);
      open();
      // Sorted: an engine tells the ages of outcomes by the millisecond, and the last two may end within one.
      expect((await drained(3)).map(({ id }) => id).sort()).toEqual(['ended:0:1', 'mine:0:1', 'running:0:1']);
    });

    it('wakes when a job has ended, until the listener is removed', async () => {
      let woken = 0;
      const stopListening = queue.onOutcome(() => woken++);
      await queue.enqueue([job('before:0:1')]);
      work((message) => {
        if (message.id === 'bad:0:1') throw new Error('no');
      });
      await drained(1);
      await until('woken by a success', () => woken >= 1);
      await queue.enqueue([job('bad:0:1')]);
      await until('woken by a failure', () => woken >= 2);
      stopListening();
      await queue.enqueue([job('after:0:1')]);
      await drained(3);
      expect(woken).toBe(2);
    });

    it('runs nothing new while paused and goes on when resumed', async () => {
      const seen: unknown[] = [];
      await queue.enqueue([job('before:0:1')]);
      await queue.setPaused(true);
      work((message) => void seen.push(message.id));
      await queue.enqueue([job('meanwhile:0:1')]);
      expect(await queue.missing(['before:0:1', 'meanwhile:0:1'])).toEqual([]);
      expect(await queue.drain(10)).toEqual([]);
      await queue.setPaused(true);
      expect(seen).toEqual([]);
      await queue.setPaused(false);
      await queue.setPaused(false);
      await drained(2);
      expect(seen).toEqual(['before:0:1', 'meanwhile:0:1']);
    });

    it('forgets everything when obliterated, and can be used again', async () => {
      work(() => {});
      await queue.enqueue([job('ended:0:1')]);
      await drained(1);
      await queue.setPaused(true);
      await queue.enqueue([job('waiting:0:1')]);
      await queue.obliterate();
      expect(await queue.drain(10)).toEqual([]);
      expect(await queue.missing(['ended:0:1', 'waiting:0:1'])).toEqual(['ended:0:1', 'waiting:0:1']);
      await queue.enqueue([job('ended:0:1')]);
      expect(await drained(1)).toEqual([{ id: 'ended:0:1', ok: true }]);
    });

    it('never fails a job whose worker is alive', async () => {
      const { opened, open } = gate();
      let running = false;
      work(async () => {
        running = true;
        await opened;
      });
      await queue.enqueue([job('a:0:1')]);
      await until('the job runs', () => running);
      expect(await queue.failAbandoned()).toBe(0);
      expect(await queue.failAbandoned()).toBe(0);
      open();
      expect(await drained(1)).toEqual([{ id: 'a:0:1', ok: true }]);
    });

    it('keeps its jobs when it is closed and opened again', async () => {
      await queue.enqueue([job('a:0:1')]);
      await queue.close();
      queue = engine.open(topic, 'mail');
      expect(await queue.missing(['a:0:1'])).toEqual([]);
    });

    it('takes thousands of jobs at once and a large one', async () => {
      await queue.enqueue(Array.from({ length: 3000 }, (_, n) => job(`m${n}:0:1`)));
      await queue.enqueue([job('big:0:1', { text: 'x'.repeat(100_000) })]);
      work(() => {}, 50);
      const drainedIds = new Set<string>();
      await until('all outcomes', async () => {
        const outcomes = await queue.drain(1000);
        await queue.remove(outcomes.map(({ id }) => id));
        for (const { id } of outcomes) drainedIds.add(id);
        return drainedIds.size === 3001;
      });
    });

    it('tells what was returned for a pack, and for no other job', async () => {
      work(({ messages, id }) => {
        if (id !== undefined) return { failed: ['x'] };
        const [first] = messages as { id: string }[];
        if (first?.id === 'bad:0:1') throw new Error('all failed');
        return first?.id === 'silent:0:1' ? undefined : { failed: [{ id: 'b', error: 'ü "quoted"' }] };
      });
      const packs = [pack('one', 'a:0:1', 'b:0:1'), pack('two', 'silent:0:1'), pack('three', 'bad:0:1', 'c:0:1')];
      await queue.enqueue([job('single:0:1'), ...packs]);
      const expected = expect.arrayContaining([
        { id: 'single:0:1', ok: true },
        { id: '+one', ok: true, returned: JSON.stringify({ failed: [{ id: 'b', error: 'ü "quoted"' }] }) },
        { id: '+two', ok: true },
        { id: '+three', ok: false, error: 'all failed' },
      ]);
      expect(await drained(4)).toEqual(expected);
    });

    it('fails a pack for which too much was returned, and drains fewer where it is much', async () => {
      const much = returnedBytesMax - 2;
      work(({ messages }) => {
        const [first] = messages as { id: string }[];
        return 'x'.repeat(first?.id === 'large:0:1' ? much + 1 : much);
      });
      await queue.enqueue([pack('large', 'large:0:1')]);
      expect(await drained(1)).toEqual([{ id: '+large', ok: false, error: resultTooLarge }]);
      await queue.remove(['+large']);
      const count = 2 + drainedBytesMax / returnedBytesMax;
      await queue.enqueue(Array.from({ length: count }, (_, n) => pack(String(n), `m${n}:0:1`)));
      const ended = new Set<string>();
      await until('all are drained', async () => {
        const outcomes = await queue.drain(1000);
        const bytes = outcomes.reduce((sum, { returned = '' }) => sum + returned.length, 0);
        expect(bytes).toBeLessThanOrEqual(drainedBytesMax + returnedBytesMax);
        await queue.remove(outcomes.map(({ id }) => id));
        for (const { id } of outcomes) ended.add(id);
        return ended.size === count;
      });
    });

    it('knows the packs that it has, in every state, with their tries; a repeated one is left as it is', async () => {
      const { opened, open } = gate();
      let running = false;
      work(async ({ messages }) => {
        if ((messages as { id: string }[])[0]?.id === 'ended:0:1') return;
        running = true;
        await opened;
      });
      const running_ = pack('running', 'running:0:1', 'b.c:0:2');
      const known = [pack('ended', 'ended:0:1'), running_, pack('waiting', 'waiting:0:1', 'd:0:1', 'e:0:1')];
      await queue.enqueue([...known, job('single:0:1')]);
      await until('a pack runs', () => running);
      await queue.enqueue([{ ...running_, tries: ['other:0:1'] }]);
      const [first, ...others] = await queue.packs();
      expect(first).toEqual({ id: '+ended', tries: ['ended:0:1'] });
      expect(others).toHaveLength(2);
      expect(others).toEqual(expect.arrayContaining(known.slice(1).map(({ id, tries }) => ({ id, tries }))));
      expect(await queue.missing(['+ended', '+running', '+waiting', '+never'])).toEqual(['+never']);
      expect(await queue.retainWaiting(['+running', 'single:0:1'])).toBe(1);
      expect((await queue.packs()).map(({ id }) => id)).toEqual(['+ended', '+running']);
      open();
      await drained(3);
    });

    it('waits for the job in hand when a worker is closed', async () => {
      const { opened, open } = gate();
      let running = false;
      const worker = engine.process(topic, 'mail', 1, async () => {
        running = true;
        await opened;
      });
      await queue.enqueue([job('a:0:1'), job('b:0:1')]);
      await until('the job runs', () => running);
      const closed = worker.close();
      open();
      await closed;
      expect(await queue.drain(10)).toEqual([{ id: 'a:0:1', ok: true }]);
      expect(await queue.missing(['b:0:1'])).toEqual([]);
    });
  });
}

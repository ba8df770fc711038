import { systemClock } from '../../src/message/clock.js';
import type { LogChunk } from '../../src/message/ref.js';
import { ScheduleLoop } from '../../src/relay/schedule-loop.js';
import { silentLogger } from '../../src/runtime/logger.js';
import type { ScheduleStore } from '../../src/store/schedule-store.js';

/** A schedule in memory. */
class Schedule implements Pick<ScheduleStore, 'appendDue' | 'nextDueAt'> {
  looks = 0;
  readonly waiting: { id: string; dueAt: number }[] = [];

  appendDue(now: number, limit: number): Promise<LogChunk[]> {
    this.looks += 1;
    const due = this.waiting.filter(({ dueAt }) => dueAt <= now).slice(0, limit);
    for (const each of due) this.waiting.splice(this.waiting.indexOf(each), 1);
    const chunk = { topic: 't', shard: 0, firstOffset: 0, appendedAt: now, refs: due.map(({ id }) => ({ id })) };
    return Promise.resolve(due.length > 0 ? [chunk] : []);
  }

  nextDueAt(): Promise<number | null> {
    return Promise.resolve(this.waiting.length > 0 ? Math.min(...this.waiting.map(({ dueAt }) => dueAt)) : null);
  }
}

describe('the schedule loop', () => {
  const made: ScheduleLoop[] = [];
  afterEach(() => Promise.all(made.splice(0).map((loop) => loop.stop())));

  function loopOn(schedule: Schedule): { loop: ScheduleLoop; came: (count: number) => Promise<string[]> } {
    const ids: string[] = [];
    let check = (): void => {};
    const appended = (chunks: LogChunk[]): void => {
      for (const { refs } of chunks) for (const { id } of refs) ids.push(id);
      check();
    };
    const loop = new ScheduleLoop(schedule as unknown as ScheduleStore, { appended }, systemClock, silentLogger);
    made.push(loop);
    const came = (count: number): Promise<string[]> =>
      new Promise((resolve) => {
        check = () => ids.length >= count && resolve(ids);
        check();
      });
    return { loop, came };
  }

  test('appends what is due, all of it, and looks again at the right time', async () => {
    const schedule = new Schedule();
    const now = Date.now();
    for (let index = 0; index < 1_200; index += 1) schedule.waiting.push({ id: `m${index}`, dueAt: now - 1 });
    schedule.waiting.push({ id: 'later', dueAt: now + 150 });
    const { loop, came } = loopOn(schedule);
    loop.start();
    expect(await came(1_201)).toContain('later');
    expect(Date.now()).toBeGreaterThanOrEqual(now + 150);
    expect(schedule.looks).toBeLessThan(20);
  });

  test('is told of a message that was scheduled just now', async () => {
    const schedule = new Schedule();
    const { loop, came } = loopOn(schedule);
    loop.start();
    await came(0);
    const dueAt = Date.now() + 60;
    schedule.waiting.push({ id: 'soon', dueAt });
    loop.expect(dueAt);
    expect(await came(1)).toEqual(['soon']);
  });
});

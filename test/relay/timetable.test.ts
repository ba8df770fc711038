import fc from 'fast-check';
import { Timetable } from '../../src/relay/timetable.js';

describe('a timetable', () => {
  test('gives each item once, when the earliest of its times has come', () => {
    const entry = fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 100 }));
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 200 }), fc.integer({ min: 0, max: 9 }), (entries, deleted) => {
        const table = new Timetable<number>();
        const earliest = new Map<number, number>();
        for (const [item, at] of entries) {
          table.set(item, at);
          earliest.set(item, Math.min(at, earliest.get(item) ?? Infinity));
        }
        table.delete(deleted);
        earliest.delete(deleted);
        const given: [number, number][] = [];
        for (let now = 0; now <= 100; now += 1) for (const item of table.due(now)) given.push([item, now]);
        expect(new Map(given)).toEqual(earliest);
        expect(given).toHaveLength(earliest.size);
        expect(table.nextAt).toBe(Infinity);
      }),
    );
  });
});

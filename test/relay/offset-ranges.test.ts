import fc from 'fast-check';
import { OffsetSet } from '../../src/relay/offset-ranges.js';

const limit = 60;
const offsets = [...Array(limit + 12).keys()];
const range = fc.tuple(fc.integer({ min: 0, max: limit - 1 }), fc.integer({ min: 1, max: 12 }));
const step = fc.record({ add: fc.boolean(), range });

function modelOf(steps: { add: boolean; range: [number, number] }[]): { set: OffsetSet; model: Set<number> } {
  const set = new OffsetSet(0);
  const model = new Set<number>();
  for (const {
    add,
    range: [from, length],
  } of steps) {
    if (add) set.add(from, from + length);
    else set.remove(from, from + length);
    for (let offset = from; offset < from + length; offset += 1) {
      if (add) model.add(offset);
      else model.delete(offset);
    }
  }
  return { set, model };
}

describe('a set of offsets', () => {
  test('holds what a plain set holds, whatever was added and removed', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { set, model } = modelOf(steps);
        expect(offsets.filter((offset) => set.has(offset))).toEqual(offsets.filter((offset) => model.has(offset)));
        expect(offsets.map((offset) => set.nextOutside(offset))).toEqual(
          offsets.map((offset) => {
            let outside = offset;
            while (model.has(outside)) outside += 1;
            return outside;
          }),
        );
      }),
    );
  });

  test('its floor and its runs describe it fully, with gaps between the runs', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { set, model } = modelOf(steps);
        const above = set.above();
        const again = new OffsetSet(set.floor, above);
        expect(above).toHaveLength(set.runs);
        let end = set.floor;
        for (const [from, to] of above) {
          expect(from > end && to > from).toBe(true);
          end = to;
        }
        expect(set.end).toBe(end);
        expect(offsets.filter((offset) => again.has(offset))).toEqual(offsets.filter((offset) => model.has(offset)));
      }),
    );
  });

  test('offsets that are settled in any order end in one floor', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([...Array(50).keys()], { minLength: 50 }), (settled) => {
        const set = new OffsetSet(0);
        for (const offset of settled) set.add(offset);
        expect([set.floor, set.runs]).toEqual([50, 0]);
      }),
    );
  });
});

import fc from 'fast-check';
import { OrderGate } from '../../src/relay/order-gate.js';
import { trackedFromLog, type TrackedDelivery } from '../../src/relay/tracked-delivery.js';

const key = 'k';
const delivery = (offset: number): TrackedDelivery => trackedFromLog(0, offset, { id: `m${offset}`, keyHash: key });

describe('the order gate', () => {
  test('lets one delivery of a key through at a time, and the held ones in order', () => {
    const gate = new OrderGate();
    expect(gate.enter(key, 1)).toBe(true);
    for (const offset of [2, 3]) {
      expect(gate.enter(key, offset)).toBe(false);
      gate.hold(key, delivery(offset));
    }
    expect(gate.enter('other', 4)).toBe(true);
    expect(gate.leave(key, 1)).toMatchObject({ offset: 2 });
    expect(gate.leave(key, 1)).toBeNull();
    expect(gate.leave(key, 2)).toMatchObject({ offset: 3 });
    expect(gate.leave(key, 3)).toBeNull();
    expect(gate.size).toBe(1);
  });

  test('asks the store again when something was stored while it was asked', () => {
    const gate = new OrderGate();
    gate.enter(key, 1);
    gate.stored(key, 2);
    expect(gate.leave(key, 1)).toBe('ask-store');
    expect(gate.enter(key, 9)).toBe(false);
    gate.stored(key, 9);
    expect(gate.answer(key, null, 10)).toBe('ask-store');
    expect(gate.answer(key, 9, 10)).toBe('stored');
    expect(gate.leave(key, 9)).toBe('ask-store');
    expect(gate.answer(key, null, 10)).toBeNull();
    expect(gate.size).toBe(0);
  });

  test('after a takeover, the log below an inherited waiting delivery goes first', () => {
    const gate = new OrderGate();
    gate.inheritWaiting(key, 7);
    expect(gate.enter(key, 5)).toBe(true);
    expect(gate.askIfWaiting(key)).toBe(false);
    expect(gate.enter(key, 9)).toBe(false);
    gate.hold(key, delivery(9));
    expect(gate.leave(key, 5)).toBe('ask-store');
    expect(gate.answer(key, 7, 10)).toBe('stored');
    expect(gate.leave(key, 7)).toBe('ask-store');
    expect(gate.answer(key, null, 10)).toMatchObject({ offset: 9 });
  });

  test('a stored delivery does not go before what the log may hold below it', () => {
    const gate = new OrderGate();
    gate.enter(key, 1);
    gate.stored(key, 9);
    expect(gate.leave(key, 1)).toBe('ask-store');
    expect(gate.answer(key, 9, 4)).toBe('read-first');
    expect(gate.enter(key, 5)).toBe(true);
    expect(gate.leave(key, 5)).toBe('ask-store');
    expect(gate.answer(key, 9, 6)).toBe('read-first');
    expect(gate.askIfWaiting(key)).toBe(true);
    expect(gate.answer(key, 9, 10)).toBe('stored');
  });

  test('a dead letter keeps its key until it comes again or is given up', () => {
    const gate = new OrderGate();
    gate.enter(key, 1);
    gate.block(key, 0, 1);
    expect(gate.blocked()).toEqual([{ keyHash: key, shard: 0, offset: 1 }]);
    expect(gate.enter(key, 2)).toBe(false);
    expect(gate.enter(key, 1)).toBe(true);
    expect(gate.blocked()).toEqual([]);
    gate.block(key, 0, 1);
    expect(gate.leave(key, 1)).toBeNull();
    expect(gate.isBusy(key)).toBe(false);
  });

  test('whatever waits where, each key is handed on in offset order, one at a time', () => {
    const message = fc.record({ key: fc.constantFrom('a', 'b', 'c'), room: fc.boolean(), finish: fc.nat({ max: 3 }) });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 60 }), (messages) => {
        const gate = new OrderGate();
        const store = new Map<string, number[]>();
        const running = new Map<string, number>();
        const handled: Record<string, number[]> = {};
        const run = (name: string, offset: number): void => {
          if (running.has(name)) throw new Error(`two deliveries of ${name} at once`);
          running.set(name, offset);
          (handled[name] ??= []).push(offset);
        };
        const finish = (name: string): void => {
          const offset = running.get(name)!;
          running.delete(name);
          store.set(
            name,
            (store.get(name) ?? []).filter((stored) => stored !== offset),
          );
          let next = gate.leave(name, offset);
          while (next === 'ask-store') {
            const lowest = Math.min(...store.get(name)!, Infinity);
            const answer = gate.answer(name, lowest === Infinity ? null : lowest, messages.length);
            if (answer === 'read-first') throw new Error('all of it was read');
            if (answer === 'stored') return run(name, lowest);
            next = answer;
          }
          if (next !== null) run(name, next.offset);
        };
        messages.forEach((each, offset) => {
          if (gate.enter(each.key, offset)) run(each.key, offset);
          else if (each.room) gate.hold(each.key, trackedFromLog(0, offset, { id: '', keyHash: each.key }));
          else {
            gate.stored(each.key, offset);
            store.set(each.key, [...(store.get(each.key) ?? []), offset]);
          }
          for (let count = 0; count < each.finish; count += 1) for (const name of running.keys()) finish(name);
        });
        while (running.size > 0) for (const name of [...running.keys()]) finish(name);
        for (const name of ['a', 'b', 'c']) {
          const sent = messages.flatMap((each, offset) => (each.key === name ? [offset] : []));
          expect(handled[name] ?? []).toEqual(sent);
        }
        expect(gate.size).toBe(0);
      }),
    );
  });
});

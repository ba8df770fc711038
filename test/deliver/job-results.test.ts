import { misnamedResult, resultsOf, unreadableResult } from '../../src/deliver/job-results.js';
import { bounds } from '../../src/message/bounds.js';
import { packIdLead } from '../../src/queue/queue-engine.js';

const ack = { kind: 'ack' };
const withoutReason = { kind: 'nack', error: 'failed without a reason' };
const returned = (value: unknown) => ({ id: `${packIdLead}1`, ok: true, returned: JSON.stringify(value) });
const read = (value: unknown, ids = ['a', 'b', 'c']) => resultsOf(returned(value), ids);
const failed = (...entries: unknown[]) => read({ failed: entries });

describe('what a worker says of a job of several messages', () => {
  it.each([undefined, null, 0, 'done', true, [], ['a'], {}, { handled: 3 }, { failed: [] }, { failed: null }])(
    'acknowledges all where it returned %j',
    (value) => {
      expect(read(value)).toEqual({ results: [ack, ack, ack], misnamed: 0 });
    },
  );

  it('acknowledges all where it returned nothing, or no JSON', () => {
    for (const outcome of [
      { id: '+1', ok: true },
      { ...returned(0), returned: '{' },
    ]) {
      expect(resultsOf(outcome, ['a', 'b'])).toEqual({ results: [ack, ack], misnamed: 0 });
    }
  });

  it('fails all by what was thrown, which may ask for more', () => {
    const nacked = { kind: 'nack', error: 'no stock' };
    expect(resultsOf({ id: '+1', ok: false, error: 'no stock' }, ['a', 'b']).results).toEqual([nacked, nacked]);
    const [rejected] = resultsOf({ id: '+1', ok: false, error: 'halfbox-reject: not JSON' }, ['a']).results;
    expect(rejected).toEqual({ kind: 'reject', error: 'not JSON' });
    expect(resultsOf({ id: '+1', ok: false }, ['a']).results).toEqual([withoutReason]);
  });

  it('fails those that are named, each in its own way, and acknowledges the others', () => {
    expect(failed('b').results).toEqual([ack, withoutReason, ack]);
    expect(failed({ id: 'c', error: 'no stock' }, { id: 'a' }).results).toEqual([
      withoutReason,
      ack,
      { kind: 'nack', error: 'no stock' },
    ]);
    expect(
      failed({ id: 'a', error: 'x', deadLetter: true }, { id: 'b', delayMs: 5 }, { id: 'c', release: true }),
    ).toEqual({
      results: [{ kind: 'reject', error: 'x' }, { ...withoutReason, delayMs: 5 }, { kind: 'release' }],
      misnamed: 0,
    });
  });

  it('reads the text of an entry like that of a thrown error, unless the entry says more itself', () => {
    expect(
      failed({ id: 'a', error: 'halfbox-retry 70: busy' }, { id: 'b', error: 'halfbox-reject: no' }).results,
    ).toEqual([{ kind: 'nack', error: 'busy', delayMs: 70 }, { kind: 'reject', error: 'no' }, ack]);
    const own = failed({ id: 'a', error: 'halfbox-reject: no', delayMs: 1 }).results[0];
    expect(own).toEqual({ kind: 'nack', error: 'halfbox-reject: no', delayMs: 1 });
  });

  it('keeps within bounds, and leaves out what is of no use', () => {
    expect(failed({ id: 'a', delayMs: 1e15 }).results[0]).toEqual({ ...withoutReason, delayMs: bounds.delayMsMax });
    for (const delayMs of [-1, '5', null, {}]) expect(failed({ id: 'a', delayMs }).results[0]).toEqual(withoutReason);
    expect(failed({ id: 'a', error: 7, deadLetter: 'yes', release: 1 }).results[0]).toEqual(withoutReason);
  });

  it('never acknowledges by a list that it cannot read', () => {
    const nacked = { kind: 'nack', error: unreadableResult };
    for (const value of ['a', 1, true, { id: 'a' }]) {
      expect(read({ failed: value })).toEqual({ results: [nacked, nacked, nacked], misnamed: 0 });
    }
  });

  it('never acknowledges what may have been meant by an entry that names none of its messages', () => {
    const nacked = { kind: 'nack', error: misnamedResult };
    expect(failed('x', { id: 'b', error: 'no stock' }, { error: 'nothing' }, null, 3)).toEqual({
      results: [nacked, { kind: 'nack', error: 'no stock' }, nacked],
      misnamed: 4,
    });
  });

  it('takes an entry that comes twice once', () => {
    expect(failed({ id: 'a', error: 'first' }, 'a')).toEqual({
      results: [{ kind: 'nack', error: 'first' }, ack, ack],
      misnamed: 0,
    });
  });
});

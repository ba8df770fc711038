import { judgeAnswer, retryAfterMs, retryAfterMsMax } from '../../src/deliver/push-answer.js';

describe('retryAfterMs', () => {
  const now = Date.UTC(2030, 0, 1);
  it.each([
    ['120', 120_000],
    [' 5 ', 5_000],
    ['0', 0],
    ['Tue, 01 Jan 2030 00:00:30 GMT', 30_000],
    ['Mon, 31 Dec 2029 23:59:00 GMT', 0],
    ['999999999999', retryAfterMsMax],
    ['Tue, 01 Jan 2040 00:00:00 GMT', retryAfterMsMax],
    ['soon', undefined],
    ['-5', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('reads %p as %p', (value, waitMs) => {
    expect(retryAfterMs(value, now)).toBe(waitMs);
  });

  it('reads the first of several', () => {
    expect(retryAfterMs(['3', '9'], now)).toBe(3_000);
  });
});

describe('judgeAnswer', () => {
  const answer = (status: number) =>
    judgeAnswer({ status, headers: { 'halfbox-dead-letter': 'true' }, body: Buffer.alloc(0) }, 0);

  it('buries where the target says that no further try can succeed', () => {
    expect(answer(422)).toEqual({ result: { kind: 'reject', error: 'http-422' } });
  });

  it('acks what was accepted, and pauses for a target that is gone, all the same', () => {
    expect(answer(200)).toEqual({ result: { kind: 'ack' } });
    expect(answer(410)).toEqual({ result: { kind: 'nack', error: 'http-410' }, gone: true });
  });
});

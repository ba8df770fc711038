import { version } from 'uuid';
import { newId } from '../../src/message/message-id.js';

describe('ids', () => {
  it('are UUIDv7, distinct and ascending, within a millisecond and over a refill of the random bytes', () => {
    const ids = Array.from({ length: 5_000 }, newId);
    expect(ids.every((id) => version(id) === 7)).toBe(true);
    expect(new Set(ids).size).toBe(ids.length);
    expect([...ids].sort()).toEqual(ids);
  });
});

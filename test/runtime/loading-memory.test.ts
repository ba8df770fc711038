import { giveBackLoadingMemory } from '../../src/runtime/loading-memory.js';

/** Where nothing but the reference knows of it. */
function unused(): WeakRef<object> {
  return new WeakRef({ only: 'the reference knows' });
}

describe('giveBackLoadingMemory', () => {
  it('collects what nothing uses, and keeps what is used', async () => {
    const gone = unused();
    const kept = new WeakRef([gone]);
    const user = kept.deref();
    await new Promise((resolve) => setImmediate(resolve));
    await giveBackLoadingMemory();
    expect(gone.deref()).toBeUndefined();
    expect(kept.deref()).toBe(user);
  });
});

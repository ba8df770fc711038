import type { PulledSubscription } from '../../src/deliver/pulled-subscription.js';
import { SeveralWaits, type Watched } from '../../src/deliver/several-waits.js';

/** A subscription that only says that it may have something. */
class Signalling {
  readonly listeners: (() => void)[] = [];

  onReady(listener: () => void): () => void {
    this.listeners.push(listener);
    return () => undefined;
  }

  say(): void {
    for (const listener of this.listeners) listener();
  }
}

describe('calls that wait for several subscriptions', () => {
  const made = (waits: SeveralWaits): { says: Signalling; watched: Watched } => {
    const says = new Signalling();
    const watched = waits.watch(says as unknown as PulledSubscription);
    watched.mayHave = false;
    return { says, watched };
  };

  /** Finds what may be there, and leaves nothing. */
  const lookIn = (watched: Watched[], name: string, heard: string[]) => (): Promise<string | null> => {
    const found = watched.some(({ mayHave }) => mayHave);
    for (const one of watched) one.mayHave = false;
    if (found) heard.push(name);
    return Promise.resolve(found ? name : null);
  };

  it('are woken in the order in which they came, one by a signal', async () => {
    const waits = new SeveralWaits(100, 60_000);
    const [a, b] = [made(waits), made(waits)];
    const heard: string[] = [];
    const both = [a.watched, b.watched];
    const calls = ['first', 'second', 'third'].map((name) => {
      const watched = name === 'second' ? [b.watched] : both;
      return waits.wait(watched, 20_000, undefined, lookIn(watched, name, heard));
    });
    for (const { says } of [b, b, a]) {
      says.say();
      await new Promise(setImmediate);
    }
    expect(await Promise.all(calls)).toEqual(['first', 'second', 'third']);
    expect(heard).toEqual(['first', 'second', 'third']);
  });

  it('look again after a while, whatever they were told', async () => {
    const waits = new SeveralWaits(100, 5);
    const { watched } = made(waits);
    let looks = 0;
    const look = () => Promise.resolve((looks += 1) === 3 ? 'found' : null);
    expect(await waits.wait([watched], 20_000, undefined, look)).toBe('found');
  });

  it('that wait for more than the bound are refused, until others have ended', async () => {
    const waits = new SeveralWaits(3, 60_000);
    const [a, b] = [made(waits), made(waits)];
    const gone = new AbortController();
    const never = () => Promise.resolve(null);
    const first = waits.wait([a.watched, b.watched], 20_000, gone.signal, never);
    await expect(waits.wait([a.watched, b.watched], 20_000, undefined, never)).rejects.toMatchObject({
      slug: 'overloaded',
    });
    gone.abort();
    expect(await first).toBeNull();
    expect(await waits.wait([a.watched, b.watched], 1, undefined, never)).toBeNull();
    expect(a.watched.waits.size).toBe(0);
  });
});

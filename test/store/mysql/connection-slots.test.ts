import { ConnectionSlots } from '../../../src/store/mysql/connection-slots.js';

describe('connection slots', () => {
  it('go to those who wait in their order', async () => {
    const slots = new ConnectionSlots(1, 10, 10_000);
    await slots.take();
    const order: number[] = [];
    const waiting = [1, 2, 3].map((n) => slots.take().then(() => order.push(n)));
    slots.release();
    await waiting[0];
    expect(order).toEqual([1]);
    slots.release();
    slots.release();
    await Promise.all(waiting);
    expect(order).toEqual([1, 2, 3]);
  });

  it('refuse beyond the bound in number, and give up beyond the bound in time', async () => {
    const slots = new ConnectionSlots(1, 1, 20);
    await slots.take();
    const waiting = slots.take();
    await expect(slots.take()).rejects.toMatchObject({ slug: 'overloaded' });
    await expect(waiting).rejects.toMatchObject({ slug: 'unavailable' });
    slots.release();
    await slots.take();
  });

  it('are drained when nobody has one', async () => {
    const slots = new ConnectionSlots(2, 1, 1_000);
    await slots.drained();
    await slots.take();
    await slots.take();
    let isDrained = false;
    const drained = slots.drained().then(() => (isDrained = true));
    slots.release();
    await Promise.resolve();
    expect(isDrained).toBe(false);
    slots.release();
    await drained;
  });
});

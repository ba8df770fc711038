import { preferredNode } from '../../src/relay/rendezvous.js';

const names = Array.from({ length: 3_000 }, (_, index) => `topic-${index % 100}.group-${index}`);

describe('which node should own a subscription', () => {
  test('does not depend on the order of the nodes, and is shared fairly', () => {
    const moved = names.filter((name) => preferredNode(['c', 'a', 'b'], name) !== preferredNode(['a', 'b', 'c'], name));
    expect(moved).toEqual([]);
    const counts = new Map<string, number>();
    for (const name of names) {
      const node = preferredNode(['a', 'b', 'c'], name);
      counts.set(node, (counts.get(node) ?? 0) + 1);
    }
    for (const count of counts.values()) expect(Math.abs(count - 1_000)).toBeLessThan(150);
    expect(counts.size).toBe(3);
  });

  test('moves only what a node that came takes, and only what one that went had', () => {
    const movedElsewhere = names.filter((name) => {
      const after = preferredNode(['a', 'b', 'c'], name);
      return after !== 'c' && after !== preferredNode(['a', 'b'], name);
    });
    expect(movedElsewhere).toEqual([]);
  });
});

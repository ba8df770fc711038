/** The one with the fewest calls in flight; among equals they take turns. */
export function leastLoaded<One extends { inFlight: number }>(all: readonly One[], turn: number): One | undefined {
  let least: One | undefined;
  for (let step = 0; step < all.length; step += 1) {
    const one = all[(turn + step) % all.length]!;
    if (least === undefined || one.inFlight < least.inFlight) least = one;
  }
  return least;
}

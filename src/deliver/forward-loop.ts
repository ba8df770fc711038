/** A subscription that forwards, as far as loops are concerned. */
export interface ForwardEdge {
  topic: string;
  group: string;
  target: string;
}

/**
 * Whether a forward from `topic` to `target` would bring messages back to where they were.
 * @param present the forward subscriptions that exist; the one that is being replaced is left out of account
 * @returns the topics in the order in which a message would pass them, the first one again at the end; null when there is no loop
 */
export function forwardLoop(edge: ForwardEdge, present: Iterable<ForwardEdge>): string[] | null {
  const targets = new Map<string, string[]>();
  for (const { topic, group, target } of present) {
    if (topic === edge.topic && group === edge.group) continue;
    const known = targets.get(topic);
    if (known) known.push(target);
    else targets.set(topic, [target]);
  }
  const cameFrom = new Map<string, string | null>([[edge.target, null]]);
  const open = [edge.target];
  for (let topic = open.pop(); topic !== undefined; topic = open.pop()) {
    if (topic === edge.topic) return [edge.topic, ...pathTo(topic, cameFrom)];
    for (const next of targets.get(topic) ?? []) {
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, topic);
      open.push(next);
    }
  }
  return null;
}

function pathTo(end: string, cameFrom: Map<string, string | null>): string[] {
  const path: string[] = [];
  for (let at: string | null = end; at !== null; at = cameFrom.get(at) ?? null) path.unshift(at);
  return path;
}

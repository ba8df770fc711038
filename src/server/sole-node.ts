import { setTimeout as wait } from 'node:timers/promises';
import { relayDefaults } from '../relay/relay-settings.js';
import type { NodeRow } from '../store/node-store.js';
import { StoreStartError } from '../store/store-start-error.js';

/** Address of a node without an API. */
const unreachablePrefix = 'embedded:';
/** A killed node's row ends within its lease; a little more for clocks that differ. */
const goneAfterMs = relayDefaults.leaseMs + 500;
const lookAgainMs = 100;

/** What is used of the store. */
interface Nodes {
  now(): Promise<number>;
  nodes: { live(now: number): Promise<Pick<NodeRow, 'id' | 'url'>[]> };
}

/** What other nodes read in the row of one without an API: that nobody can call it. */
export function unreachableUrl(nodeId: string): string {
  return `${unreachablePrefix}${nodeId}`;
}

/**
 * A node without an API cannot be called by others, and what it owns could not be received through them: it must be
 * alone on its store. Waits for the rows of killed nodes to end.
 * @throws StoreStartError where this node or another live one is without an API, and they are several
 */
export async function refuseCompany(
  store: Nodes,
  node: { id: string; url: string },
  waitMs = goneAfterMs,
): Promise<void> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    const others = (await store.nodes.live(await store.now())).filter(({ id }) => id !== node.id);
    const alone = node.url.startsWith(unreachablePrefix);
    const other = others.find(({ url }) => alone || url.startsWith(unreachablePrefix));
    if (!other) return;
    if (performance.now() >= deadline) throw refusal(alone, other.url);
    await wait(lookAgainMs);
  }
}

function refusal(alone: boolean, otherUrl: string): StoreStartError {
  const rule = 'a broker without its HTTP API (api: false) must be the only one on its database';
  return new StoreStartError(
    alone ? `${rule}; there is another at ${otherUrl}` : `${rule}; one is running, so this one cannot start`,
  );
}

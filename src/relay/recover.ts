import type { MessageRef } from '../message/ref.js';
import type { ClaimedSubscription, GivenRange, LaneStore } from '../store/lane-store.js';
import type { Lane } from './lane.js';
import type { OwnedState } from './owned-state.js';
import type { RelayParts } from './relay-parts.js';
import { trackedFromLog, trackedFromRetry, type TrackedDelivery } from './tracked-delivery.js';

/** Busy keys that are read at a time. */
const keysPage = 1_000;

/**
 * Takes over what an earlier owner left: what is with consumers keeps its attempt and its deadline, busy keys stay busy.
 * Consumers of push and forward died with their node (or have settled all, at a planned hand-over): their tries have
 * failed, and are retried at once with attempt + 1.
 * @returns how many unsettled tries there are
 */
export async function recover(
  state: OwnedState,
  { cursors, hasEntries }: Pick<ClaimedSubscription, 'cursors' | 'hasEntries'>,
  parts: RelayParts,
): Promise<number> {
  const { store, settings, clock } = parts;
  const { mode } = state.config;
  const claimsEndNow = mode === 'push' || mode === 'forward';
  const inherit = (lane: Lane, delivery: TrackedDelivery, dueAt: number): void => {
    delivery.phase = 'given';
    delivery.inherited = true;
    delivery.claimedUntil = claimsEndNow ? Math.min(dueAt, clock.now()) : dueAt;
    lane.inFlight.set(delivery.offset, delivery);
  };
  for (const cursor of cursors) {
    const lane = state.lane(cursor.shard);
    await recoverFirstTries(state, lane, cursor.given, parts, inherit);
  }
  // Most subscriptions have no entries, and a node may take over very many at once: each statement counts.
  if (!hasEntries) state.retryWakeAt = Infinity;
  else {
    // A write whose answer the earlier owner did not get may have left a first try a row too.
    for (const lane of state.lanes.values()) for (const delivery of lane.inFlight.values()) delivery.mayHaveRow = true;
    for (const entry of await store.givenRetries(state.topic, state.group, settings.inheritedMax)) {
      inherit(state.lane(entry.shard), trackedFromRetry(entry), entry.dueAt);
      if (entry.ref.keyHash !== undefined) state.gate.enter(entry.ref.keyHash, entry.offset);
    }
    await recoverKeys(state, store);
  }
  beginReading(state);
  return state.inFlight;
}

async function recoverFirstTries(
  state: OwnedState,
  lane: Lane,
  given: GivenRange[],
  parts: RelayParts,
  inherit: (lane: Lane, delivery: TrackedDelivery, dueAt: number) => void,
): Promise<void> {
  if (given.length === 0) return;
  const refs = await readRefs(state.topic, lane.shard, given, parts);
  for (const { from, to, dueAt } of given) {
    for (let offset = from; offset < to; offset += 1) {
      const ref = refs.get(offset);
      if (ref === undefined) {
        const fields = { topic: state.topic, group: state.group, shard: lane.shard, offset };
        parts.logger.error(fields, 'the shard log lacks an offset that is with a consumer; it is skipped');
        lane.settled.add(offset);
        lane.dirty = true;
        continue;
      }
      const delivery = trackedFromLog(lane.shard, offset, ref);
      delivery.attempt = 1;
      delivery.recorded = true;
      inherit(lane, delivery, dueAt);
      if (ref.keyHash !== undefined) state.gate.enter(ref.keyHash, offset);
    }
    lane.inheritedEnd = Math.max(lane.inheritedEnd, to);
  }
}

/** The refs of the log in these ranges, by offset. Pages that lie between two ranges are not read. */
async function readRefs(
  topic: string,
  shard: number,
  ranges: GivenRange[],
  { store, settings }: RelayParts,
): Promise<Map<number, MessageRef>> {
  const refs = new Map<number, MessageRef>();
  let readTo = 0;
  for (const { from, to } of ranges) {
    readTo = Math.max(readTo, from);
    while (readTo < to) {
      const chunks = await store.readLog(topic, shard, readTo, settings.windowMax);
      if (chunks.length === 0) return refs;
      for (const chunk of chunks) {
        chunk.refs.forEach((ref, index) => refs.set(chunk.firstOffset + index, ref));
        readTo = chunk.firstOffset + chunk.refs.length;
      }
    }
  }
  return refs;
}

async function recoverKeys(state: OwnedState, store: LaneStore): Promise<void> {
  const { gate } = state;
  const blockDead = state.config.onDeadLetter === 'block';
  const waiting = new Map<Lane, { keyHash: string; offset: number }[]>();
  for await (const key of blockedKeys(state, store, blockDead)) {
    const { keyHash, shard, offset } = key;
    const lane = state.lane(shard);
    // After a seek below a dead letter the log gives its message out again, behind those before it.
    const comesAgain = key.state === 'dead' && !lane.settled.has(offset);
    if (gate.isBusy(keyHash)) gate.stored(keyHash, offset);
    else if (key.state !== 'waiting_for_key' && !comesAgain) {
      gate.inherit(keyHash, offset);
      if (key.state === 'dead') gate.block(keyHash, shard, offset);
    } else {
      gate.inheritWaiting(keyHash, offset);
      const ofLane = waiting.get(lane);
      if (ofLane === undefined) waiting.set(lane, [{ keyHash, offset }]);
      else ofLane.push({ keyHash, offset });
    }
  }
  for (const [lane, places] of waiting) lane.inheritedWaiting = places.sort((a, b) => a.offset - b.offset);
}

/** The log is read from the first offset on that is not settled; keys that wait for nothing below it are asked for at once. */
function beginReading({ lanes, gate, asks }: OwnedState): void {
  for (const lane of lanes.values()) {
    lane.readOffset = lane.settled.nextOutside(lane.settled.floor);
    for (const keyHash of lane.passedInheritedWaiting()) {
      if (gate.askIfWaiting(keyHash)) asks.set(keyHash, lane.shard);
    }
  }
}

async function* blockedKeys(
  { topic, group }: OwnedState,
  store: LaneStore,
  blockDead: boolean,
): AsyncGenerator<Awaited<ReturnType<LaneStore['blockedKeys']>>[number]> {
  let after: string | undefined;
  for (;;) {
    const page = await store.blockedKeys(topic, group, blockDead, after, keysPage);
    yield* page;
    if (page.length < keysPage) return;
    after = page[page.length - 1]!.keyHash;
  }
}

/** Dead letters may have been redriven or discarded, or may block from now on: looks which keys they still hold. */
export async function recheckBlocked(state: OwnedState, store: LaneStore, now: number): Promise<void> {
  const { gate } = state;
  const before = gate.blocked();
  const kept = new Set<string>();
  if (state.config.onDeadLetter === 'block') {
    const places = new Map(before.map(({ keyHash, offset }) => [keyHash, offset]));
    for await (const { keyHash, shard, offset, state: keyState } of blockedKeys(state, store, true)) {
      const dead = keyState === 'dead';
      // Still dead; or redriven, and then it has its key until it is acked.
      if (dead || places.get(keyHash) === offset) kept.add(keyHash);
      if (!dead || gate.isBusy(keyHash) || !state.lane(shard).settled.has(offset)) continue;
      gate.inherit(keyHash, offset);
      gate.block(keyHash, shard, offset);
    }
  }
  for (const { keyHash, shard, offset } of before) {
    if (!kept.has(keyHash) && gate.isBlocked(keyHash)) state.passKeyOn(keyHash, shard, offset, now);
  }
}

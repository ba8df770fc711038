import { channel } from 'node:diagnostics_channel';

/**
 * The durable steps: the places where a process that dies leaves its work in a state of its own. With each, what is durable
 * when it is reached. A harness that listens on {@link stepChannel} can kill the process exactly there.
 */
export const steps = {
  // The half stage, once for each item of a batch.
  'half.prepare.before-store': 'nothing of the half messages',
  'half.prepare.after-store': 'the half messages; their sender was not answered',
  'half.commit.before-store': 'the transaction is prepared',
  'half.commit.after-store-before-answer':
    'the transaction is committed, its messages are visible; its producer was not answered',
  'half.rollback.before-store': 'the transaction is prepared',
  'half.rollback.after-store-before-answer': 'the transaction is rolled back; its producer was not answered',
  'half.send.before-store': 'nothing of the plain messages',
  'half.send.after-store-before-answer': 'the plain messages are visible; their sender was not answered',

  // Any database transaction of the broker.
  'store.transaction.open': 'nothing: statements have run, and their locks are held',
  'store.commit.before-send': 'nothing: the COMMIT was not sent',
  'store.commit.on-the-wire': 'nobody knows: the COMMIT was sent to a server and not answered',
  'store.commit.after': 'all of it; whoever asked for it was not told',

  // Check-back.
  'check.claimed': 'the claims of transactions that are due; nobody was asked',
  'check.answered-before-store': 'the claim; the answer is only in memory',
  'check.stored-before-resolve': 'the attempt and its answer; the transaction is still prepared',
  'check.parked': 'the transaction is parked',
  'check.postponed': 'claims were given back, due later',

  // The relay.
  'lease.renewed': 'the row of the node lasts for another while',
  'lease.acquired': 'the node owns a subscription, of which it has read nothing',
  'lease.recovered': 'the same, and what the last owner left is in memory',
  'lease.released': 'the subscription was given back as planned; its relay still lies in memory',
  'relay.read': 'nothing new: a part of the log was read',
  'relay.picked-before-given': 'nothing new: deliveries were chosen for a consumer',
  'relay.given-before-hand-out': 'deliveries are with a consumer, which did not get them',
  'relay.settle.before-store': 'deliveries are with a consumer, which has said how they ended',
  'relay.settle.after-store-before-answer': 'they are settled; their consumer was not answered',
  'relay.cursor-written': 'cursors that moved over filtered messages',
  'relay.spilled': 'messages behind a busy key moved from the log to the retry store',
  'retry.stored': 'a failed try is in the retry store; its consumer was not answered',
  'retry.loaded': 'nothing new: due retries were read',
  'dead-letter.stored': 'a delivery without attempts left is a dead letter; its consumer was not answered',

  // A queue of an engine.
  'queue.adopted': 'nothing new: what an earlier owner left in the engine is known',
  'queue.given-before-enqueue': 'deliveries are with the engine, which did not get them',
  'queue.enqueued': 'the engine has the jobs; this was not noted',
  'queue.drained-before-settle': 'jobs have ended; their outcomes are only in the engine',
  'queue.settled-before-remove': 'outcomes are stored; the jobs are still in the engine',
  'queue.removed': 'the jobs are gone from the engine',

  // Consumers that the broker calls.
  'push.sent-before-settle': 'the target has answered; the outcome is not stored',
  'forward.sent-before-settle': 'the copy is stored in its topic; the original is not settled',
  'forward.confirmed-before-settle': 'the other system has the message; it is not settled',

  // Delayed messages, retention, schema.
  'schedule.due-before-append': 'messages are due and lie in the schedule, locked',
  'schedule.appended': 'they are visible; no relay was told',
  'retention.mid-batch': 'a batch of old rows is deleted, others are not',
  'retention.raised-before-sweep': 'a shard begins later; the chunks before that are still there',
  'migrate.mid': 'a part of a schema change',

  // The client: local transactions.
  'client.prepare.before-send': 'nothing: the local transaction is in hand',
  'client.prepared': 'the half messages, at the broker',
  'client.fence-written':
    'nothing in the application, whose transaction is open with its fence row; perhaps the half messages',
  'client.work-done': 'the same, with the work written in the open transaction',
  'client.local-commit.before': 'the same: the local COMMIT was not sent',
  'client.local-commit.after': 'the local transaction; the broker was not told',
  'client.commit.answered': 'both; the caller was not told',
  'client.local-rollback.after': 'nothing in the application; the broker was not told',
  'client.check.settled-before-answer': 'the fence row that a check-back wrote or found; the broker was not answered',

  // The client: outbox, inbox, consumers.
  'client.outbox.written': 'nothing: rows are in the open transaction of the application',
  'client.outbox.read-before-send': 'rows of the outbox, committed and not sent',
  'client.outbox.sent-before-delete': 'the messages, at the broker; their rows are still in the outbox',
  'client.outbox.deleted': 'the messages, at the broker only',
  'client.inbox.work-done': 'nothing: the inbox row and the work are in the open transaction',
  'client.inbox.committed': 'the work and its inbox row; the delivery is not acknowledged',
  'client.consumer.handled-before-settle': 'what the handler did; the broker does not know how it ended',
  'client.consumer.settled': 'the broker knows how it ended',
} as const;

export type Step = keyof typeof steps;

/** Channel of `node:diagnostics_channel` on which each step that is reached is published by its name. */
export const stepChannel = channel('halfbox:step');

/**
 * Tells whoever listens that a step was reached. Where nobody does it costs one property read, however many times.
 * @param step written out where it is called, so that a test can read which steps the code tells of
 * @param times how often it was reached at once, as by the items of a batch: a whole number from 0, each of them is told
 */
export function reached(step: Step, times = 1): void {
  if (!stepChannel.hasSubscribers) return;
  for (let told = 0; told < times; told += 1) stepChannel.publish(step);
}

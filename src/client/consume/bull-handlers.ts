import type Bull from 'bull';
import { plainText, rejectText, retryText } from '../../message/failure-text.js';
import { jobLost, type FailedInJob, type JobOfMessages, type JobResult } from '../../message/job-result.js';
import type { DeliveredMessage } from '../contract.js';
import { ConsumerStopped, ReceiptLost } from './consume-errors.js';
import type { ConsumeFailure } from './consumer-options.js';
import { HeldDelivery, type ConsumedMessage, type Handler } from './delivery-context.js';
import { isAskedFor, textOf, toError, verdictOf } from './failure.js';
import { Slots } from './slots.js';

interface BullHandling {
  group: string;
  handler: Handler<never>;
  /** Handlers that run at once, over all jobs. */
  concurrency: number;
  report: (error: Error, during: ConsumeFailure['during'], messageId: string) => void;
}

/** A job that Bull has handed to this worker. */
interface JobInHand {
  readonly running: Set<HeldDelivery>;
  /** Its lock is gone: nothing of it is begun any more. */
  isLost: boolean;
}

const extendNothing = (): Promise<void> => Promise.resolve();

/** Runs the handler for the messages of Bull's jobs, one or several of a job, and answers Bull how they ended. */
export class BullHandlers {
  readonly #jobs = new Map<string, JobInHand>();
  readonly #slots: Slots;
  #giveUp: () => void = () => undefined;
  readonly #givenUp = new Promise<void>((resolve) => (this.#giveUp = resolve));

  constructor(private readonly handling: BullHandling) {
    this.#slots = new Slots(handling.concurrency);
  }

  get runningCount(): number {
    let count = 0;
    for (const { running } of this.#jobs.values()) count += running.size;
    return count;
  }

  /** Resolves with what the broker is to know; rejects where the job's one message failed. */
  async handle({
    id,
    data,
  }: Bull.Job<DeliveredMessage | JobOfMessages<DeliveredMessage>>): Promise<JobResult | undefined> {
    const job: JobInHand = { running: new Set(), isLost: false };
    this.#jobs.set(String(id), job);
    try {
      if ('messages' in data) return await this.#handleAll(job, data.messages);
      // Bull hands out an empty job when Redis was wiped between taking its id and reading it.
      if (data.id === undefined) throw new Error(jobLost);
      await this.#handleOne(job, data);
      return undefined;
    } finally {
      this.#jobs.delete(String(id));
    }
  }

  /** Begins no message any more; those of jobs in hand that were not begun are given back. */
  close(): void {
    this.#slots.close();
  }

  /** Tells the running handlers that they are not waited for any longer. */
  abortRunning(): void {
    for (const { running } of this.#jobs.values()) {
      for (const delivery of running) this.#lose(delivery, new ConsumerStopped(delivery.messageId), 'handle');
    }
  }

  /** Ends jobs of several messages whose handlers did not end: so those that ended are not done again. Answers whether there are any jobs. */
  giveUp(): boolean {
    this.#giveUp();
    return this.#jobs.size > 0;
  }

  /** The lock of a job could not be renewed: it comes again. */
  lost(jobId: string, cause: unknown): void {
    const job = this.#jobs.get(jobId);
    if (job === undefined) return;
    job.isLost = true;
    for (const delivery of job.running) {
      const why = 'the lock of its job could not be renewed';
      this.#lose(delivery, new ReceiptLost(delivery.messageId, why, cause), 'queue');
    }
  }

  async #handleOne(job: JobInHand, message: DeliveredMessage): Promise<void> {
    // Waits only beside jobs of several messages. One that Bull has handed out cannot be given back, so a stop waits for it too.
    const hasSlot = this.#slots.takeNow() || (await this.#slots.take());
    try {
      await this.#run(job, message);
    } catch (error) {
      throw failedJob(error);
    } finally {
      if (hasSlot) this.#slots.give();
    }
  }

  async #handleAll(job: JobInHand, messages: DeliveredMessage[]): Promise<JobResult | undefined> {
    const ends: ('running' | 'acked' | FailedInJob)[] = [];
    let unended = messages.length;
    let allEnded: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => (allEnded = resolve));
    const runNext = async (): Promise<void> => {
      while (ends.length < messages.length && (this.#slots.takeNow() || (await this.#slots.take()))) {
        const at = ends.length;
        const message = messages[at];
        if (message !== undefined && !job.isLost) {
          ends.push('running');
          ends[at] = await this.#run(job, message).then(
            () => 'acked' as const,
            (error: unknown) => failedMessage(message.id, error),
          );
          if ((unended -= 1) === 0) allEnded();
        }
        this.#slots.give();
        if (job.isLost) return;
      }
    };
    const runners = Array.from({ length: Math.min(this.handling.concurrency, messages.length) }, runNext);
    // Runners may wait for slots when nothing is left to run, or end because nothing is begun any more.
    await Promise.race([ended, Promise.all(runners), this.#givenUp]);
    const failed: FailedInJob[] = [];
    messages.forEach(({ id }, at) => {
      const end = ends[at];
      if (end === undefined) failed.push({ id, release: true });
      else if (end === 'running') failed.push({ id, error: new ConsumerStopped(id).message });
      else if (end !== 'acked') failed.push(end);
    });
    return failed.length === 0 ? undefined : { failed };
  }

  async #run(job: JobInHand, message: DeliveredMessage): Promise<void> {
    const { group, handler, report } = this.handling;
    const delivery = new HeldDelivery(group, { receipt: '', message }, Infinity, extendNothing);
    job.running.add(delivery);
    try {
      await handler(delivery.message as ConsumedMessage<never>, delivery);
    } catch (error) {
      if (!isAskedFor(error)) report(toError(error), 'handle', delivery.messageId);
      throw error;
    } finally {
      job.running.delete(delivery);
    }
  }

  #lose(delivery: HeldDelivery, loss: ReceiptLost | ConsumerStopped, during: ConsumeFailure['during']): void {
    delivery.lose(loss);
    this.handling.report(delivery.loss as Error, during, delivery.messageId);
  }
}

/** The error whose text Bull keeps for the broker. */
function failedJob(thrown: unknown): Error {
  const verdict = verdictOf(thrown);
  const options = { cause: thrown };
  if (verdict.kind === 'reject') return new Error(rejectText(verdict.error), options);
  if (verdict.kind !== 'nack') return new Error(plainText(textOf(thrown)), options);
  if (verdict.delayMs === undefined) return new Error(plainText(verdict.error), options);
  return new Error(retryText(verdict.delayMs, verdict.error), options);
}

function failedMessage(id: string, thrown: unknown): FailedInJob {
  const verdict = verdictOf(thrown);
  if (verdict.kind === 'reject') return { id, error: verdict.error, deadLetter: true };
  if (verdict.kind !== 'nack') return { id, error: plainText(textOf(thrown)) };
  if (verdict.delayMs === undefined) return { id, error: plainText(verdict.error) };
  return { id, error: verdict.error, delayMs: verdict.delayMs };
}

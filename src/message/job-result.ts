/** Why a job has failed that Redis lost after Bull took its id and before it read the data: nobody has seen its messages. */
export const jobLost = 'the job was lost before it was read';

/** The data of a Bull job of several messages (`messagesPerJob` above 1). Each has all the fields that a job of its own has. */
export interface JobOfMessages<Message> {
  messages: Message[];
}

/**
 * What the processor of a job of several messages may return: which of them failed. Those that it does not name, and all
 * of them where it returns anything else, are acknowledged. At most 2 MiB as JSON; more fails them all. So does a `failed`
 * that is no list, and an entry that names no message of the job fails those that no other entry names: it is not known
 * which one was meant.
 */
export interface JobResult {
  failed?: (string | FailedInJob)[] | null;
}

/** A message of a job that failed. Its id alone says the same as `{ id }`. */
export interface FailedInJob {
  /** The message's id. */
  id: string;
  /** Why, kept with the try. Read like the text of an error thrown by a job of one message, so it may ask for more by `halfbox-reject: …`. */
  error?: string;
  /** To be tried again after so long, 0..365 days in milliseconds, instead of by the retry policy. */
  delayMs?: number;
  /** Straight to the dead letters. */
  deadLetter?: boolean;
  /** Given back unhandled: no attempt is counted, and it comes again at once. */
  release?: boolean;
}

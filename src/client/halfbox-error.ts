/** A refusal of the broker: RFC 9457 problem details. */
export class HalfboxError extends Error {
  /**
   * @param slug stable code of the problem: `transaction-already-committed`
   * @param status of the HTTP answer
   * @param retryAfterMs how long the broker asks to wait before another try; undefined where it does not
   */
  constructor(
    readonly slug: string,
    readonly status: number,
    detail: string,
    readonly retryAfterMs?: number,
  ) {
    super(`${slug}: ${detail}`);
    this.name = 'HalfboxError';
  }
}

/** The broker could not be reached, or its answer was lost: what was asked may have been done. Ask again with the same id. */
export class HalfboxUnreachable extends Error {
  constructor(url: string, cause: unknown) {
    super(`${url} gave no answer`, { cause });
    this.name = 'HalfboxUnreachable';
  }
}

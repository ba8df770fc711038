/**
 * How a worker's error text says more than that it failed, where a text is all that a queue engine keeps of a failure
 * (Bull's `failedReason`): `halfbox-reject: <reason>` and `halfbox-retry <afterMs>: <reason>`.
 */
const rejectPattern = /^halfbox-reject(?:: ([^]*))?$/;
const retryPattern = /^halfbox-retry (\d{1,11})(?:: ([^]*))?$/;

/** What an error text asks for: the dead letters at once, another try after `afterMs`, or nothing special. */
export type Failure =
  { kind: 'reject'; reason: string } | { kind: 'retry'; afterMs: number; reason: string } | { kind: 'plain' };

/** The text of a failure that no further try can mend. */
export function rejectText(reason: string): string {
  return `halfbox-reject: ${reason}`;
}

/** The text of a failure whose next try should come after `afterMs`. */
export function retryText(afterMs: number, reason: string): string {
  return `halfbox-retry ${afterMs}: ${reason}`;
}

/** The text of a failure that asks for nothing, whatever the text begins with: it may be somebody else's words. */
export function plainText(text: string): string {
  return readFailureText(text).kind === 'plain' ? text : `failed: ${text}`;
}

export function readFailureText(text: string): Failure {
  const reject = rejectPattern.exec(text);
  if (reject) return { kind: 'reject', reason: reject[1] ?? '' };
  const retry = retryPattern.exec(text);
  if (retry) return { kind: 'retry', afterMs: Number(retry[1]), reason: retry[2] ?? '' };
  return { kind: 'plain' };
}

/** The options that the parent gave on the command line. */
export function workerOptions<Options>(): Options {
  return JSON.parse(process.argv[2]!) as Options;
}

/** Answers the parent's calls by name. */
export function serveCalls(calls: Record<string, () => unknown>): void {
  process.on('message', (message: { call: string }) => {
    void Promise.resolve(calls[message.call]!()).then((answer) => process.send!({ answer: answer ?? null }));
  });
  process.on('SIGTERM', () => process.exit(0));
}

/** Milliseconds since the epoch with fractions, comparable between processes of one machine. */
export function preciseNow(): number {
  return performance.timeOrigin + performance.now();
}

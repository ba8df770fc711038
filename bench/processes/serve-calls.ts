/** The options that the parent gave on the command line. */
export function workerOptions<Options>(): Options {
  return JSON.parse(process.argv[2]!) as Options;
}

interface Call {
  call: number;
  name: string;
  argument?: unknown;
}

export type Calls = Record<string, (argument: never) => unknown>;

/** Answers the parent's calls by name, with the error where one fails. Ends with the parent. */
export function serveCalls(calls: Calls): void {
  const answer = async ({ call, name, argument }: Call): Promise<void> => {
    try {
      const asked = calls[name];
      if (!asked) throw new Error(`there is no call ${name}`);
      process.send!({ call, answer: (await asked(argument as never)) ?? null });
    } catch (error) {
      process.send!({ call, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  };
  process.on('message', (message: Call) => void answer(message));
  process.once('disconnect', () => process.exit(0));
  process.once('SIGTERM', () => process.exit(0));
}

/** Milliseconds since the epoch with fractions, comparable between processes of one machine. */
export function preciseNow(): number {
  return performance.timeOrigin + performance.now();
}

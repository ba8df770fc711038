import type { LoadRecord } from './load-record.js';

/** So many callers, each of them in one call at a time, until the load is halted. @returns waits for the last ones */
export function startCallers(record: LoadRecord, callers: number, once: () => Promise<void>): () => Promise<unknown> {
  const caller = async (): Promise<void> => {
    while (!record.halted) {
      try {
        if (record.pause) await record.pause;
        await once();
      } catch (error) {
        record.failed(error);
        // A broker that is away must not make this a busy loop.
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  };
  const all = Array.from({ length: callers }, caller);
  return () => Promise.all(all);
}

/** One transaction through a producer: prepared, and then committed. */
export async function transact(
  producer: { prepare(message: never): Promise<{ id: string }>; commit(id: string): Promise<unknown> },
  record: LoadRecord,
  message: unknown,
  startedAt: number,
  now: () => number,
): Promise<void> {
  const { id } = await producer.prepare(message as never);
  record.prepared(startedAt);
  const calledAt = now();
  await producer.commit(id);
  record.committed(calledAt);
}

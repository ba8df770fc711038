import type { DataSource, QueryRunner } from 'typeorm';

/** Waits for a result as long as there is time, and then rejects. */
export type InTime = <Result>(under: Promise<Result>) => Promise<Result>;

/** A runner with a connection to the primary. Rejects when none becomes free in time, and then leaves nothing behind. */
export async function takeRunner(dataSource: DataSource, inTime: InTime): Promise<QueryRunner> {
  const runner = dataSource.createQueryRunner('master');
  const connecting = runner.connect();
  try {
    await inTime(connecting);
    return runner;
  } catch (error) {
    // A connection that comes later goes straight back.
    connecting.then(
      () => runner.release(),
      () => undefined,
    );
    throw error;
  }
}

/** Closes a runner's connection instead of giving it back to the pool: nobody gets one in an unknown state. */
export async function discardConnection(runner: QueryRunner): Promise<void> {
  const drivers = runner as QueryRunner & {
    databaseConnection?: { destroy?: () => void };
    releasePostgresConnection?: (error: Error) => Promise<void>;
    isReleased: boolean;
  };
  if (drivers.releasePostgresConnection) {
    await drivers.releasePostgresConnection(new Error('its state is not known'));
    return;
  }
  drivers.databaseConnection?.destroy?.();
  await runner.release();
}

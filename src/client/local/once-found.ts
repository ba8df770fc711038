import type { DataSource } from 'typeorm';

/**
 * What is made for a DataSource: at once where it is given, else at the first call, for one that is found only after the
 * application has been built.
 */
export function onceFound<Made extends object>(
  dataSource: DataSource | (() => DataSource),
  make: (found: DataSource) => Made,
): () => Made {
  let made = typeof dataSource === 'function' ? undefined : make(dataSource);
  return () => (made ??= make((dataSource as () => DataSource)()));
}

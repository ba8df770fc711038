let named = 0;

/** A message with an id of its own for each call, so that tests can share a database. */
export const message = (topic = 'orders') => ({ id: `m${(named += 1)}`, topic });

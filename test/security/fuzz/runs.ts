/** Requests per store. `HALFBOX_TEST_FUZZ_REQUESTS=200000 npm test -- test/security/fuzz` runs for long. */
export const requests = Number(process.env['HALFBOX_TEST_FUZZ_REQUESTS'] ?? 2_000);

/**
 * What is sent. The same each time, so that a failure is about what was changed and not about chance; another seed, as in
 * `HALFBOX_TEST_FUZZ_SEED=$RANDOM npm test -- test/security/fuzz`, looks elsewhere.
 */
export const seed = Number(process.env['HALFBOX_TEST_FUZZ_SEED'] ?? 1);

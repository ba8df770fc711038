// The test command: lint, build, then every suite. `npm test -- test/half` runs one folder or file, without lint.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { buildArgv, runCLI } from 'jest';

const root = fileURLToPath(new URL('..', import.meta.url));
const args = process.argv.slice(2);

const lintPassed = args.length > 0 || runScript('lint');
// Suites that kill brokers start them from the build.
const { passed, failed } = runScript('build') ? await runSuites() : { passed: 0, failed: 1 };

for (const line of (process.env.HALFBOX_TEST_NOT_RUN ?? '').split('\n').filter(Boolean)) console.log(line);
if (!lintPassed) console.log('lint: failed');
console.log(`${passed} passed, ${failed} failed`);
process.exit(lintPassed && failed === 0 ? 0 : 1);

/** Runs a script of package.json; whether it went well. */
function runScript(name) {
  return spawnSync('npm', ['run', '--silent', name], { cwd: root, stdio: 'inherit' }).status === 0;
}

/** A suite that could not run at all counts as one failed test, and so does a set-up that failed. */
async function runSuites() {
  try {
    const { results } = await runCLI(await buildArgv(args), [root]);
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    return { passed: results.numPassedTests, failed: results.success ? failed : Math.max(failed, 1) };
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return { passed: 0, failed: 1 };
  }
}

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

test('importing the client loads neither TypeORM nor NestJS', async () => {
  const client = join(__dirname, '../../dist/src/client/index.js');
  const script = `import(${JSON.stringify(client)}).then(() => console.log(Object.keys(require.cache).join('\\n')))`;
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', script]);
  expect(stdout).toContain('undici');
  expect(stdout).not.toMatch(/node_modules.(typeorm|@nestjs)/);
});

import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { createConnection } from 'mysql2/promise';
import { freshDatabase } from '../database.js';
import type { Scenario, Servers } from '../scenario.js';

const pageBytes = 4_096;
const rowsPerInsert = 128;
const commandsPerPipeline = 256;

/** Pages of 4 KiB a second, each appended to one file and forced to the disk before the next. */
function fdatasyncsPerSecond(seconds: number): number {
  const folder = mkdtempSync(join(tmpdir(), 'halfbox-bench-disk-'));
  const file = openSync(join(folder, 'pages'), 'w');
  try {
    const page = Buffer.alloc(pageBytes, 'x');
    const startedAt = performance.now();
    let synced = 0;
    for (; performance.now() - startedAt < seconds * 1000; synced += 1) {
      writeSync(file, page);
      fdatasyncSync(file);
    }
    return synced / ((performance.now() - startedAt) / 1000);
  } finally {
    closeSync(file);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Rows of about 300 bytes a second, by INSERTs of 128 rows that commit each, on so many connections. */
async function rowsPerSecond({ mysqlUrl }: Servers, seconds: number, connections: number): Promise<number> {
  const database = await freshDatabase(mysqlUrl);
  try {
    const create = await createConnection(database.url);
    await create.query('CREATE TABLE bench_row (id BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT, body BLOB NOT NULL)');
    await create.end();
    const sql = `INSERT INTO bench_row (body) VALUES ${Array.from({ length: rowsPerInsert }, () => '(?)').join(',')}`;
    const bodies = Array.from({ length: rowsPerInsert }, () => 'x'.repeat(256));
    let rows = 0;
    const startedAt = performance.now();
    const writer = async (): Promise<void> => {
      const connection = await createConnection(database.url);
      for (; performance.now() - startedAt < seconds * 1000; rows += rowsPerInsert) await connection.query(sql, bodies);
      await connection.end();
    };
    await Promise.all(Array.from({ length: connections }, writer));
    return rows / ((performance.now() - startedAt) / 1000);
  } finally {
    await database.drop();
  }
}

/** LPUSHes of 256 bytes a second, in pipelines of 256. */
async function pipelinedPerSecond({ redisUrl }: Servers, seconds: number): Promise<number> {
  const redis = new Redis(redisUrl);
  try {
    const value = 'x'.repeat(256);
    const startedAt = performance.now();
    let commands = 0;
    for (; performance.now() - startedAt < seconds * 1000; commands += commandsPerPipeline) {
      const pipeline = redis.pipeline();
      for (let command = 1; command < commandsPerPipeline; command += 1) pipeline.lpush('bench', value);
      await pipeline.del('bench').exec();
    }
    return commands / ((performance.now() - startedAt) / 1000);
  } finally {
    redis.disconnect();
  }
}

export const limits: Scenario[] = [
  {
    id: 'limits',
    title: 'what this machine can do at most (the bare Fastify route stands beside every row)',
    run: async ({ servers, window }) => {
      const seconds = Math.min(4, window.seconds);
      return {
        own: {
          'fdatasync/s': fdatasyncsPerSecond(seconds),
          'rows/s in INSERTs of 128, one connection': await rowsPerSecond(servers, seconds, 1),
          'rows/s in INSERTs of 128, four connections': await rowsPerSecond(servers, seconds, 4),
          'Redis commands/s in pipelines of 256': await pipelinedPerSecond(servers, seconds),
        },
      };
    },
  },
];

import { closest } from 'fastest-levenshtein';
import { z } from 'zod';
import { bounds } from '../message/bounds.js';
import { ApiKeys } from './api-keys.js';
import { isLoopback } from './loopback.js';
import { microservices } from './microservices.js';
import { SettingsError } from './settings-error.js';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const mebibyte = 1024 * 1024;
const yearMs = 365 * dayMs;

const integer = (min: number, max: number) => z.number().int().min(min).max(max);
const urlOf = (example: string, ...protocols: string[]) =>
  z.string().refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol), {
    error: `expected a URL such as ${example}`,
  });

/**
 * Every setting of the broker with its bounds and default. In the environment the name is `HALFBOX_` and the words in
 * capitals (`checkIntervalMs` is `HALFBOX_CHECK_INTERVAL_MS`). Lengths of time are milliseconds.
 */
export const settingSchemas = {
  /** `sqlite:./file.db`, `mysql://…` or `mariadb://…`. */
  storeUrl: z
    .string()
    .regex(/^(sqlite:.+|(mysql|mariadb):\/\/.+)$/, 'expected sqlite:./path/to/file.db, mysql://… or mariadb://…')
    .default('sqlite:./.halfbox/halfbox.db'),
  /** Connections to MySQL or MariaDB at most. */
  poolSize: integer(2, 1000).default(10),
  /** What an acknowledged write must survive; a weaker store makes readiness fail. */
  durability: z.enum(['flushed', 'replicated', 'relaxed']).default('flushed'),
  /** Absent: deliveries are handed out from memory. Set: subscriptions of mode `queue` are Bull queues there. */
  redisUrl: urlOf('redis://127.0.0.1:6379', 'redis:', 'rediss:').optional(),
  /** Address to listen on. */
  host: z.string().min(1).default('127.0.0.1'),
  /** Port to listen on; 0 takes a free one. */
  port: integer(0, 65_535).default(3900),
  /** Processes that read and write HTTP in place of the broker's own, which then does the rest; 0: it does that too. */
  workers: integer(0, 64).default(0),
  /** Where other nodes and clients reach this node. Default: the address it listens on. */
  advertiseUrl: urlOf('http://10.0.0.5:3900', 'http:', 'https:').optional(),
  /** `name:secret:scope+scope,…`. Absent: everyone who reaches the server may do everything, so it listens on loopback only. */
  apiKeys: z.string().min(1).optional(),
  /** Whether unknown topics and producers are created by their first use. Default: true on loopback. */
  autoCreate: z.boolean().optional(),
  /** Whether check-back and push targets may be private addresses. Default: true on loopback. */
  allowPrivateTargets: z.boolean().optional(),
  /** `{name: {transport, options}}`: the microservice transports that producers and subscriptions may name. */
  microservices: microservices.optional(),
  /** Largest body of topics that do not say otherwise. */
  bodyBytesMax: integer(1, bounds.requestBytesMax).default(4 * mebibyte),
  /** First check of a transaction after this long. */
  firstCheckAfterMs: integer(bounds.checkMsMin, bounds.checkMsMax).default(6_000),
  checkIntervalMs: integer(bounds.checkMsMin, bounds.checkMsMax).default(30_000),
  /** Answered checks before a transaction is parked. */
  checkMax: integer(1, bounds.checkMaxMax).default(15),
  /** Age at which an unresolved transaction is parked. */
  checkAgeMaxMs: integer(1_000, yearMs).default(3 * dayMs),
  /** How long one check waits for its answer. */
  checkTimeoutMs: integer(100, 60_000).default(5_000),
  /** Streams that this node holds open, over which producers are asked. */
  streamsMax: integer(1, 1_000_000).default(10_000),
  /** Of one producer. */
  streamsPerProducerMax: integer(1, 1_000_000).default(1_000),
  /** Between two signs of life of a stream; it is dead after two that are missing. */
  streamHeartbeatMs: integer(50, 60_000).default(10_000),
  /** How long rolled-back messages and the rows of resolved transactions are kept. */
  rolledBackRetentionMs: integer(1_000, 10 * yearMs).default(3 * dayMs),
  /** How long settled messages of a topic are kept, where the topic does not say otherwise. */
  messageRetentionMs: integer(1_000, 10 * yearMs).default(72 * hourMs),
  deadLetterRetentionMs: integer(1_000, 10 * yearMs).default(30 * dayMs),
  parkedRetentionMs: integer(1_000, 10 * yearMs).default(30 * dayMs),
  /** How often retention runs. */
  retentionIntervalMs: integer(100, dayMs).default(60_000),
  /** Requests that may wait for the store; beyond them 429. */
  pendingMax: integer(1, 10_000_000).default(10_000),
  /** Their bytes. */
  pendingBytesMax: integer(mebibyte, 64 * 1024 * mebibyte).default(128 * mebibyte),
  /** Requests with new work (prepares, sends, batches) that are taken at once whatever they will wait. */
  requestsInHandMin: integer(1, 1_000_000).default(128),
  /** Until their bodies have so many bytes (each counts as 8 KiB at least), more are taken at once. */
  requestBytesInHandMin: integer(0, 1024 * mebibyte).default(8 * mebibyte),
  /** Beyond both, one that would wait longer is refused with 429 before it is read. */
  requestWaitMsMax: integer(10, 600_000).default(500),
  /** Bytes of all of them that are in hand; beyond them 429. */
  requestBytesInHandMax: integer(bounds.requestBytesMax, 64 * 1024 * mebibyte).default(256 * mebibyte),
  /** Bytes of the bodies of one answer to a receive; one message is given whatever its size. */
  receiveBytesMax: integer(1, 1024 * mebibyte).default(16 * mebibyte),
  /** Messages that all subscriptions of this node read ahead; half of them for those whose consumers ask. */
  readAheadMax: integer(1_000, 100_000_000).default(100_000),
  /** Messages of a lane that wait in memory behind busy ordering keys. */
  heldBackMax: integer(1, 1_000_000).default(10_000),
  /** How long a stop waits for what is in hand. */
  shutdownMs: integer(100, 600_000).default(10_000),
  logLevel: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
};

const schema = z.strictObject(settingSchemas);

/** What can be set; everything may be left out. */
export type SettingOptions = z.input<typeof schema>;

/** The settings of a broker, complete and checked. */
export type Settings = Omit<z.output<typeof schema>, 'apiKeys' | 'autoCreate' | 'allowPrivateTargets'> & {
  apiKeys: ApiKeys;
  autoCreate: boolean;
  allowPrivateTargets: boolean;
};

export type SettingName = keyof SettingOptions;

/** `checkIntervalMs` as `HALFBOX_CHECK_INTERVAL_MS`. */
export function variableOf(name: string): string {
  return `HALFBOX_${name.replace(/[A-Z]/g, (capital) => `_${capital}`).toUpperCase()}`;
}

/**
 * Fills in the defaults and checks every setting and how they go together.
 * @throws SettingsError that names each wrong setting
 */
export function completeSettings(options: SettingOptions): Settings {
  const parsed = schema.safeParse(options);
  if (!parsed.success) {
    throw new SettingsError(
      parsed.error.issues.flatMap((issue) => {
        const [setting, ...inside] = issue.path;
        if (setting === undefined && issue.code === 'unrecognized_keys') return issue.keys.map(unknownOption);
        const where = inside.length > 0 ? `${inside.join('.')}: ` : '';
        return `${variableOf(String(setting ?? ''))}: ${where}${issue.message}`;
      }),
    );
  }
  const onLoopback = isLoopback(parsed.data.host);
  const apiKeys = readApiKeys(parsed.data.apiKeys);
  if (apiKeys.count === 0 && !onLoopback) {
    throw new SettingsError([
      `HALFBOX_HOST: without HALFBOX_API_KEYS the server listens on loopback only, not on ${parsed.data.host}; ` +
        'set HALFBOX_API_KEYS=name:secret:produce+consume+admin or HALFBOX_HOST=127.0.0.1',
    ]);
  }
  return {
    ...parsed.data,
    apiKeys,
    autoCreate: parsed.data.autoCreate ?? onLoopback,
    allowPrivateTargets: parsed.data.allowPrivateTargets ?? onLoopback,
  };
}

function unknownOption(name: string): string {
  return `${name}: unknown option; did you mean ${closest(name, Object.keys(settingSchemas))}?`;
}

function readApiKeys(text: string | undefined): ApiKeys {
  if (text === undefined) return ApiKeys.none();
  try {
    return ApiKeys.parse(text);
  } catch (error) {
    throw new SettingsError([`HALFBOX_API_KEYS: ${(error as Error).message}`]);
  }
}

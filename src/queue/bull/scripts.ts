import type { Redis } from 'ioredis';
import { jobLost } from '../../message/job-result.js';
import { packIdLead } from '../queue-engine.js';

const packByte = packIdLead.charCodeAt(0);

/** A Lua script with one key. ioredis sends its text once a connection, and its hash from then on. */
export class RedisScript {
  constructor(
    private readonly name: string,
    private readonly lua: string,
  ) {}

  run(client: Redis, key: string, args: (string | number)[]): Promise<unknown> {
    const commands = client as unknown as Record<string, (args: (string | number)[]) => Promise<unknown>>;
    if (commands[this.name] === undefined) client.defineCommand(this.name, { numberOfKeys: 1, lua: this.lua });
    return commands[this.name]([key, ...args]);
  }
}

/**
 * What the broker runs in Redis: one call a batch, on the keys and in the layout of Bull 4.16. Each script has one key, the
 * queue's prefix `{prefix}:{name}:`, from which all other names are made.
 */

/**
 * Adds jobs as Bull's own `addJob` does, but for its per-job event `waiting`, and for what Bull takes by itself where it is
 * missing: the name, the priority, and options (one attempt, kept when it has ended). Redis writes, sends and frees every
 * field of every job. A job that a worker is running without its data is left alone: Redis was wiped after the worker took
 * the id, and with the data back its success would be taken for the message's. It is found missing, as what it is.
 * ARGV: now, then id and data of each job, and of a pack the tries, which Bull leaves alone.
 */
export const addJobs = new RedisScript(
  'halfboxAddJobs',
  `
local prefix = KEYS[1]
local added = {}
local i = 2
while i <= #ARGV do
  local id, isPack = ARGV[i], string.byte(ARGV[i]) == ${packByte}
  local key = prefix .. id
  if redis.call('EXISTS', key) == 0
    or (redis.call('HEXISTS', key, 'data') == 0 and redis.call('EXISTS', key .. ':lock') == 0) then
    redis.call('HSET', key, 'data', ARGV[i + 1], 'opts', '{}', 'timestamp', ARGV[1], 'delay', '0')
    if isPack then redis.call('HSET', key, 'tries', ARGV[i + 2]) end
    added[#added + 1] = id
  end
  i = i + (isPack and 3 or 2)
end
if #added > 0 then
  local paused = redis.call('EXISTS', prefix .. 'meta-paused') == 1 or redis.call('HEXISTS', prefix .. 'meta', 'paused') == 1
  redis.call('LPUSH', prefix .. (paused and 'paused' or 'wait'), unpack(added))
end
return #added`,
);

/**
 * The ended jobs, oldest first. A job without data has failed, whatever its worker said: Redis lost the data after Bull took
 * the id and before it read the job, so nobody has seen the message.
 * ARGV: the most of each kind, the most bytes of what was returned for one pack, and for all.
 * Answers the ids that succeeded, the ids that failed, the reasons of those, and by turns the packs that succeeded and what
 * was returned for them (nil: too much).
 */
export const drainEnded = new RedisScript(
  'halfboxDrainEnded',
  `
local prefix, last = KEYS[1], ARGV[1] - 1
local failed = redis.call('ZRANGE', prefix .. 'failed', 0, last)
local reasons = {}
for i, id in ipairs(failed) do
  local reason = redis.call('HGET', prefix .. id, 'failedReason')
  reasons[i] = reason and string.sub(reason, 1, 4000) or ''
end
local succeeded, returned, bytes = {}, {}, 0
for _, id in ipairs(redis.call('ZRANGE', prefix .. 'completed', 0, last)) do
  if redis.call('HEXISTS', prefix .. id, 'data') == 0 then
    failed[#failed + 1] = id
    reasons[#failed] = '${jobLost}'
  else
    if string.byte(id) == ${packByte} then
      if bytes > tonumber(ARGV[3]) then break end
      local length = redis.call('HSTRLEN', prefix .. id, 'returnvalue')
      local isRead = length <= tonumber(ARGV[2])
      if isRead then bytes = bytes + length end
      returned[#returned + 1] = id
      returned[#returned + 1] = isRead and (redis.call('HGET', prefix .. id, 'returnvalue') or '')
    end
    succeeded[#succeeded + 1] = id
  end
end
return { succeeded, failed, reasons, returned }`,
);

/** Removes those of the jobs in ARGV that have ended; one that a person put back to waiting is left alone. */
export const removeEnded = new RedisScript(
  'halfboxRemoveEnded',
  `
local prefix = KEYS[1]
local keys = {}
for _, id in ipairs(ARGV) do
  if redis.call('ZREM', prefix .. 'completed', id) == 1 or redis.call('ZREM', prefix .. 'failed', id) == 1 then
    keys[#keys + 1] = prefix .. id
    keys[#keys + 1] = prefix .. id .. ':logs'
  end
end
if #keys > 0 then redis.call('UNLINK', unpack(keys)) end`,
);

/** By turns the ids and the tries of all packs, those that have ended first. */
export const findPacks = new RedisScript(
  'halfboxFindPacks',
  `
local prefix = KEYS[1]
local answer = {}
local function add(ids)
  for _, id in ipairs(ids) do
    local tries = string.byte(id) == ${packByte} and redis.call('HGET', prefix .. id, 'tries')
    if tries then
      answer[#answer + 1] = id
      answer[#answer + 1] = tries
    end
  end
end
for _, set in ipairs({ 'completed', 'failed' }) do add(redis.call('ZRANGE', prefix .. set, 0, -1)) end
for _, list in ipairs({ 'active', 'wait', 'paused' }) do add(redis.call('LRANGE', prefix .. list, 0, -1)) end
return answer`,
);

/** Which jobs of ARGV have no data or are in none of the queue's lists (so that no worker will ever meet them). */
export const findMissing = new RedisScript(
  'halfboxFindMissing',
  `
local prefix = KEYS[1]
local listed = {}
for _, list in ipairs({ 'wait', 'paused', 'active' }) do
  for _, id in ipairs(redis.call('LRANGE', prefix .. list, 0, -1)) do listed[id] = true end
end
local missing = {}
for _, id in ipairs(ARGV) do
  local known = redis.call('HEXISTS', prefix .. id, 'data') == 1 and (listed[id]
    or redis.call('ZSCORE', prefix .. 'completed', id)
    or redis.call('ZSCORE', prefix .. 'failed', id)
    or redis.call('ZSCORE', prefix .. 'delayed', id))
  if not known then missing[#missing + 1] = id end
end
return missing`,
);

/**
 * Fails the running jobs that have no lock now and had none at the call before. (One look is not enough: a worker takes a
 * job first and its lock a moment later.) ARGV: now, the error, then the ids without a lock at the call before. Answers
 * how many were failed, then the ids without a lock now.
 */
export const failAbandoned = new RedisScript(
  'halfboxFailAbandoned',
  `
local prefix = KEYS[1]
local suspected = {}
for i = 3, #ARGV do suspected[ARGV[i]] = true end
local answer = { 0 }
for _, id in ipairs(redis.call('LRANGE', prefix .. 'active', 0, -1)) do
  local key = prefix .. id
  if redis.call('EXISTS', key .. ':lock') == 0 then
    if suspected[id] then
      redis.call('LREM', prefix .. 'active', 1, id)
      redis.call('SREM', prefix .. 'stalled', id)
      if redis.call('HEXISTS', key, 'data') == 1 then
        redis.call('HSET', key, 'failedReason', ARGV[2], 'finishedOn', ARGV[1])
        redis.call('ZADD', prefix .. 'failed', ARGV[1], id)
        redis.call('PUBLISH', prefix .. 'failed', cjson.encode({ jobId = id, val = ARGV[2] }))
      else
        redis.call('UNLINK', key)
      end
      answer[1] = answer[1] + 1
    else
      answer[#answer + 1] = id
    end
  end
end
return answer`,
);

/** Removes the waiting jobs that are not in ARGV; running ones are left alone. Answers how many were removed. */
export const retainWaiting = new RedisScript(
  'halfboxRetainWaiting',
  `
local prefix = KEYS[1]
local retained = {}
for _, id in ipairs(ARGV) do retained[id] = true end
local removed = 0
for _, list in ipairs({ 'wait', 'paused' }) do
  for _, id in ipairs(redis.call('LRANGE', prefix .. list, 0, -1)) do
    if not retained[id] then
      redis.call('LREM', prefix .. list, 1, id)
      redis.call('ZREM', prefix .. 'priority', id)
      redis.call('UNLINK', prefix .. id, prefix .. id .. ':logs')
      removed = removed + 1
    end
  end
end
return removed`,
);

-- Fragment, included by others: who claims to be the only message of its kind on the queue.
--
-- Needs KEYS 12 unique  13 unique until

-- Expired claims that are dropped with each new one, at most: what is claimed and never again asked for goes too.
local SWEEP = 20

-- The id of the message that holds a claim, or false.
local function claimant(claim, now)
  local till = redis.call('ZSCORE', KEYS[13], claim)
  if till and tonumber(till) <= now then
    redis.call('ZREM', KEYS[13], claim)
    redis.call('HDEL', KEYS[12], claim)
    return false
  end
  return redis.call('HGET', KEYS[12], claim)
end

-- A claim with a window of 0 ms ends with its message.
local function stake(claim, message_id, window_ms, now)
  redis.call('HSET', KEYS[12], claim, message_id)
  if window_ms > 0 then
    redis.call('ZADD', KEYS[13], now + window_ms, claim)
  end
  for _, expired in ipairs(redis.call('ZRANGEBYSCORE', KEYS[13], '-inf', now, 'LIMIT', 0, SWEEP)) do
    redis.call('ZREM', KEYS[13], expired)
    redis.call('HDEL', KEYS[12], expired)
  end
end

-- The message ended: its claim does too, if it is still its own.
local function unstake(claim, message_id)
  if claim ~= '' and redis.call('HGET', KEYS[12], claim) == message_id then
    redis.call('HDEL', KEYS[12], claim)
    redis.call('ZREM', KEYS[13], claim)
  end
end

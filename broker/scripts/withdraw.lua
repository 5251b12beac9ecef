-- Take a message out of its queue, wherever it is, so that it is never started, retried or dead-lettered again.
--
-- What a worker holds is taken from it as well: its settlement will find nothing to settle.
-- The name of the entry is kept for a while, for that worker to learn it.
--
-- KEYS   1 stream  2 delayed  3 bodies  4 parked  5 starts  7 urgent  8 bulk  12 unique  13 unique until  14 cancelled
-- ARGV   1 group  2 how long to keep the name, in ms
--        3 message id  4 its claim or ''
--        5 the id it waits under, or ''  6 else the entry's name
--        7 the consumer that keeps what was handed back
-- Result 'delayed', 'waiting', 'held'; '' when it is not there any more

-- include: send.lua
-- include: claims.lua

local function withdraw_delayed(id)
  if redis.call('ZREM', KEYS[2], id) == 0 then
    return ''
  end
  redis.call('HDEL', KEYS[3], id)
  redis.call('HDEL', KEYS[4], id)
  return 'delayed'
end

local function withdraw_entry(name)
  local stream, id = entry_of(name)
  local holder = redis.pcall('XPENDING', stream, ARGV[1], id, id, 1)
  if holder.err and not string.find(holder.err, 'NOGROUP', 1, true) then
    return holder
  end
  if not holder.err then
    redis.call('XACK', stream, ARGV[1], id)
  end
  if redis.call('XDEL', stream, id) == 0 then
    return ''
  end
  redis.call('HDEL', KEYS[5], name)
  if #holder == 0 or holder[1][2] == ARGV[7] then
    return 'waiting'
  end
  local now = now_ms()
  redis.call('ZREMRANGEBYSCORE', KEYS[14], '-inf', now)
  redis.call('ZADD', KEYS[14], now + tonumber(ARGV[2]), name)
  redis.call('PEXPIRE', KEYS[14], ARGV[2])
  return 'held'
end

local state = ARGV[5] ~= '' and withdraw_delayed(ARGV[5]) or withdraw_entry(ARGV[6])
if type(state) == 'string' and state ~= '' then
  unstake(ARGV[4], ARGV[3])
end
return state

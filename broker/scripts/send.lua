-- Fragment, included by others: put one message on its queue, now or when it is due.
--
-- Needs KEYS 1 stream  2 delayed  3 bodies  4 parked  7 urgent  8 bulk
-- Result nil when done, else the text of Redis's refusal (then nothing was changed).

-- include: lanes.lua

local function refusal(reply)
  return type(reply) == 'table' and reply.err or nil
end

local function append(stream, body, parked)
  if parked == '' then
    return refusal(redis.pcall('XADD', stream, '*', 'm', body))
  end
  return refusal(redis.pcall('XADD', stream, '*', 'm', body, 'p', parked))
end

-- Wake one consumer that is blocked on the lanes: it learns the new due time from its next turn.
local function wake()
  redis.pcall('XADD', KEYS[1], '*', 'w', '1')
end

-- `wake_ms`: consumers look at the delayed messages at least this often by themselves,
-- so only a message that is due sooner and before all others needs to wake one.
local function send(id, delay_ms, parked, body, now, wake_ms)
  if delay_ms <= 0 then
    return append(lane_of(id), body, parked)
  end
  -- A part of this millisecond is over: counted from its end, nothing is offered before its time.
  local due = now + 1 + delay_ms
  local head = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
  local name, copy, added = id, 1, redis.pcall('HSETNX', KEYS[3], id, body)
  while added == 0 do
    -- The same message waits already: it was sent more than once.
    copy = copy + 1
    name = copy .. '~' .. id
    added = redis.pcall('HSETNX', KEYS[3], name, body)
  end
  local refused = refusal(added)
  if refused then
    return refused
  end
  if parked ~= '' then
    redis.call('HSET', KEYS[4], name, parked)
  end
  redis.call('ZADD', KEYS[2], due, name)
  if delay_ms < wake_ms and (#head == 0 or due < tonumber(head[2])) then
    wake()
  end
  return nil
end

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

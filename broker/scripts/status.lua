-- Count a queue: one moment of all its lanes. Its cost does not grow with the number of messages.
--
-- KEYS   1 delayed  2 dead  3 paused  4 … lanes
-- ARGV   1 group  2 the consumer that keeps what was handed back
-- Result {now ms, delayed, due ms of the next of them or -1, dead, paused 1/0, lanes}
--          lane      {entries, in flight, id of the oldest that waits or '', ever added or -1 (before Redis 7.0)}

local group, shelf = ARGV[1], ARGV[2]

local function named(pairs_)
  local found = {}
  for i = 1, #pairs_, 2 do
    found[pairs_[i]] = pairs_[i + 1]
  end
  return found
end

local function older(one, other)
  local function parts(id)
    local ms, number = string.match(id, '^(%d+)-(%d+)$')
    return tonumber(ms), tonumber(number)
  end
  local ms, number = parts(one)
  local other_ms, other_number = parts(other)
  return ms < other_ms or (ms == other_ms and number < other_number)
end

local function lane(key)
  local stream = redis.pcall('XINFO', 'STREAM', key)
  if stream.err then
    return {0, 0, '', 0}
  end
  stream = named(stream)
  local last, held, oldest = '-', 0, ''
  for _, found in ipairs(redis.call('XINFO', 'GROUPS', key)) do
    found = named(found)
    if found.name == group then
      last, held = '(' .. found['last-delivered-id'], found.pending
    end
  end
  if held > 0 then
    for _, consumer in ipairs(redis.call('XPENDING', key, group)[4] or {}) do
      if consumer[1] == shelf then
        held = held - tonumber(consumer[2])
        oldest = redis.call('XPENDING', key, group, '-', '+', 1, shelf)[1][1]
      end
    end
  end
  local waiting = redis.call('XRANGE', key, last, '+', 'COUNT', 1)[1]
  if waiting and (oldest == '' or older(waiting[1], oldest)) then
    oldest = waiting[1]
  end
  return {stream.length, held, oldest, stream['entries-added'] or -1}
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local head = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
local lanes = {}
for i = 4, #KEYS do
  lanes[#lanes + 1] = lane(KEYS[i])
end
return {
  now,
  redis.call('ZCARD', KEYS[1]),
  head[2] and tonumber(head[2]) or -1,
  redis.call('XLEN', KEYS[2]),
  redis.call('EXISTS', KEYS[3]),
  lanes,
}

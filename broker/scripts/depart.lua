-- Remove consumers that hold nothing. Removing one that holds something would destroy its entries.
--
-- A live consumer that is removed is made again by its next read, so a wrong guess costs nothing.
--
-- KEYS   1 stream  7 urgent  8 bulk  9 alive
-- ARGV   1 group  2 the one consumer to remove, or ''
--        3 else: remove all whose lease ended at least this many ms ago
--        4 the consumer that keeps what was handed back, which stays
-- Result how many were removed

local time = redis.call('TIME')
local ended = time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(ARGV[3])
local held, chosen = {}, {}

local function is_chosen(name)
  if ARGV[2] ~= '' then
    return name == ARGV[2]
  end
  local until_ms = redis.call('ZSCORE', KEYS[9], name)
  return name ~= ARGV[4] and (not until_ms or tonumber(until_ms) <= ended)
end

for _, stream in ipairs({KEYS[7], KEYS[1], KEYS[8]}) do
  -- No stream or no group: no consumer either.
  local consumers = redis.pcall('XINFO', 'CONSUMERS', stream, ARGV[1])
  for _, fields in ipairs(consumers.err and {} or consumers) do
    local consumer = {}
    for i = 1, #fields, 2 do
      consumer[fields[i]] = fields[i + 1]
    end
    local name = consumer.name
    held[name] = (held[name] or 0) + consumer.pending
    if is_chosen(name) then
      chosen[name] = true
    end
  end
end
-- Those that consumers of lost streams left behind.
for _, name in ipairs(ARGV[2] == '' and redis.call('ZRANGEBYSCORE', KEYS[9], '-inf', ended) or {ARGV[2]}) do
  chosen[name] = true
end

local removed = 0
for name in pairs(chosen) do
  if (held[name] or 0) == 0 then
    for _, stream in ipairs({KEYS[7], KEYS[1], KEYS[8]}) do
      redis.pcall('XGROUP', 'DELCONSUMER', stream, ARGV[1], name)
    end
    redis.call('ZREM', KEYS[9], name)
    removed = removed + 1
  end
end
return removed

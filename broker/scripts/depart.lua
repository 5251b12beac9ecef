-- Remove consumers that hold nothing. Removing one that holds something would destroy its entries.
--
-- A live consumer that is removed is made again by its next read, so a wrong guess costs nothing.
--
-- KEYS   1 stream
-- ARGV   1 group  2 the one consumer to remove, or ''  3 else: remove all idle for at least this many ms
-- Result how many were removed

local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
if consumers.err then
  -- No stream or no group, so no consumer either.
  return 0
end
local removed = 0
for _, pairs_ in ipairs(consumers) do
  local consumer = {}
  for i = 1, #pairs_, 2 do
    consumer[pairs_[i]] = pairs_[i + 1]
  end
  local chosen = consumer.name == ARGV[2] or (ARGV[2] == '' and consumer.idle >= tonumber(ARGV[3]))
  if chosen and consumer.pending == 0 then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
    removed = removed + 1
  end
end
return removed

-- List the consumers of a queue, and the oldest messages that each holds.
--
-- KEYS   1 alive  2 … lanes
-- ARGV   1 group  2 the consumer that keeps what was handed back  3 how many messages of each
-- Result {now ms, leases, consumers}
--          leases    consumer, when its lease ends (ms), consumer, …
--          consumer  {lane (0 the first), name, entries it holds, idle ms, {id, fields} …}

local group, shelf, want = ARGV[1], ARGV[2], tonumber(ARGV[3])

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = {}
for i = 2, #KEYS do
  local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[i], group)
  -- Without a stream or a group there is no consumer either.
  for _, pairs_ in ipairs(consumers.err and {} or consumers) do
    local consumer = {}
    for at = 1, #pairs_, 2 do
      consumer[pairs_[at]] = pairs_[at + 1]
    end
    if consumer.name ~= shelf then
      local held = {}
      if consumer.pending > 0 then
        for _, pending in ipairs(redis.call('XPENDING', KEYS[i], group, '-', '+', want, consumer.name)) do
          held[#held + 1] = redis.call('XRANGE', KEYS[i], pending[1], pending[1])[1]
        end
      end
      found[#found + 1] = {i - 2, consumer.name, consumer.pending, consumer.idle, held}
    end
  end
end
return {now, redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES'), found}

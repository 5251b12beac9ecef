-- Read a page of the delayed messages, the next due first.
--
-- KEYS   1 delayed  2 bodies
-- ARGV   1 the id to go on behind, or ''  2 when that was due (ms)  3 page size
-- Result {now ms, messages}
--          message   {id, due ms, body}

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local first = 0
if ARGV[1] ~= '' then
  local rank = redis.call('ZRANK', KEYS[1], ARGV[1])
  -- When it is gone, what is due in the same millisecond is read again: better twice than not at all.
  first = rank and rank + 1 or redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. ARGV[2])
end
local page = redis.call('ZRANGE', KEYS[1], first, first + ARGV[3] - 1, 'WITHSCORES')
local found = {}
for i = 1, #page, 2 do
  found[#found + 1] = {page[i], tonumber(page[i + 1]), redis.call('HGET', KEYS[2], page[i]) or ''}
end
return {now, found}

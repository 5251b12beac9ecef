-- Read a page of a lane, and who holds what.
--
-- KEYS   1 lane
-- ARGV   1 group  2 the consumer that keeps what was handed back  3 where to begin ('-', an id, or '(' and an id)
--        4 page size
-- Result {now ms, entries}
--          entry     {id, fields, consumer that holds it or ''}

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local page = redis.call('XRANGE', KEYS[1], ARGV[3], '+', 'COUNT', ARGV[4])
local holders = {}
if #page > 0 then
  local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1], page[1][1], page[#page][1], #page)
  for _, one in ipairs(pending.err and {} or pending) do
    holders[one[1]] = one[2] ~= ARGV[2] and one[2] or ''
  end
end
for _, entry in ipairs(page) do
  entry[3] = holders[entry[1]] or ''
end
return {now, page}

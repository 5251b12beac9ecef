-- Look for a message among the entries of a lane: one page of it, from the oldest on.
--
-- KEYS   1 the lane
-- ARGV   1 where to begin ('-', or '(' and an id)  2 page size  3 the message id as it is written in JSON
-- Result {where to go on, or '' at the end, candidates, bytes in all bodies of the page}
--          candidates   id, body, …: entries with that id in their JSON, and all that are no JSON

local page = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])
local found, bytes = {}, 0
for _, entry in ipairs(page) do
  local body = entry[2][2]
  bytes = bytes + #body
  if entry[2][1] == 'm' and (string.find(body, ARGV[3], 1, true) or string.byte(body) ~= 123) then
    found[#found + 1] = entry[1]
    found[#found + 1] = body
  end
end
return {#page < tonumber(ARGV[2]) and '' or '(' .. page[#page][1], found, bytes}

-- Take over entries whose consumer let its lease run out: one page of the pending list.
--
-- XAUTOCLAIM is not used: it takes from its own caller too, and it cannot look further than it may take.
--
-- KEYS   1 stream  2 starts
-- ARGV   1 group  2 consumer  3 the consumer that keeps what was handed back
--        4 lease ms  5 where to begin ('-', or '(' and an id)  6 page size  7 how many to take
-- Result {where to go on, or '' at the end, taken}
--          taken     {id, fields, starts counted so far}

local group, me, shelf = ARGV[1], ARGV[2], ARGV[3]
local lease_ms, size, want = tonumber(ARGV[4]), tonumber(ARGV[6]), tonumber(ARGV[7])

local page = redis.pcall('XPENDING', KEYS[1], group, ARGV[5], '+', size)
if page.err then
  -- No group: the next turn makes it.
  return string.find(page.err, 'NOGROUP', 1, true) and {'', {}} or page
end

local taken, last = {}, ''
for _, pending in ipairs(page) do
  local id, owner, idle = pending[1], pending[2], pending[3]
  if idle >= lease_ms and owner ~= me and owner ~= shelf then
    if #taken == want then
      return {last == '' and ARGV[5] or '(' .. last, taken}
    end
    local entry = redis.call('XCLAIM', KEYS[1], group, me, lease_ms, id)[1]
    if entry then
      -- From now on its starts are counted: it may be what killed its worker.
      redis.call('HSETNX', KEYS[2], id, 0)
      taken[#taken + 1] = {entry[1], entry[2], redis.call('HGET', KEYS[2], id)}
    else
      -- Deleted under its consumer; Redis 6.2 keeps such entries pending for ever.
      redis.call('XACK', KEYS[1], group, id)
    end
  end
  last = id
end
return {#page < size and '' or '(' .. last, taken}

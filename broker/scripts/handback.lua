-- Hand entries back, so that whoever turns next takes them before anything new.
--
-- They keep their ids, places and counted starts; only their consumer changes.
--
-- KEYS   1 stream  5 starts  7 urgent  8 bulk
-- ARGV   1 group  2 consumer  3 the consumer that keeps what was handed back
--        4 '1' when they were started (and hang): their starts are counted from now on
--        5 … the entries' names
-- Result how many were this consumer's to hand back

-- include: lanes.lua

local given = 0
for i = 5, #ARGV do
  local owned, refused, stream, id = owned_by(ARGV[2], ARGV[1], ARGV[i])
  if refused then
    return refused
  end
  if owned then
    redis.call('XCLAIM', stream, ARGV[1], ARGV[3], 0, id, 'JUSTID')
    if ARGV[4] == '1' then
      redis.pcall('HSETNX', KEYS[5], ARGV[i], 0)
    end
    given = given + 1
  end
end
if given > 0 then
  -- Wakes one consumer that is blocked on the lanes.
  redis.pcall('XADD', KEYS[1], '*', 'w', '1')
end
return given
